namespace ServiceDefaults.Http;

/// <summary>Collects what is wrong with a request, so that the caller mends everything in one go.</summary>
public sealed class Checks
{
    private readonly List<FieldError> _errors = [];

    public bool Passed => _errors.Count == 0;
    public Problem Problem => new(Problems.Malformed) { Errors = _errors };

    public void Add(string pointer, string en, string zh) => _errors.Add(new(pointer, new(en, zh)));

    public void That(bool holds, string pointer, string en, string zh)
    {
        if (!holds)
            Add(pointer, en, zh);
    }

    /// <summary>A text that must be there, not blank, and at most <paramref name="max"/> characters long.</summary>
    public void Text(string? value, string pointer, int max, bool required = true)
    {
        if (string.IsNullOrWhiteSpace(value))
        {
            if (required || value is { Length: > 0 })
                Add(pointer, "This is needed and may not be blank.", "此项必填，不能为空。");
        }
        else if (value.Length > max)
            Add(pointer, $"At most {max} characters.", $"最多 {max} 个字符。");
    }

    public void Required(object? value, string pointer)
    {
        if (value is null)
            Add(pointer, "This is needed.", "此项必填。");
    }
}
