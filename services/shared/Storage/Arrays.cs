using Npgsql;
using NpgsqlTypes;

namespace ServiceDefaults.Storage;

/// <summary>Arrays as parameters: the statement is the same, and stays prepared, for any number of rows.</summary>
public static class Arrays
{
    private static readonly Dictionary<Type, NpgsqlDbType> Types = new()
    {
        [typeof(string)] = NpgsqlDbType.Text,
        [typeof(Guid)] = NpgsqlDbType.Uuid,
        [typeof(DateTimeOffset)] = NpgsqlDbType.TimestampTz,
        [typeof(DateOnly)] = NpgsqlDbType.Date,
        [typeof(int)] = NpgsqlDbType.Integer,
        [typeof(long)] = NpgsqlDbType.Bigint,
        [typeof(bool)] = NpgsqlDbType.Boolean,
        [typeof(byte[])] = NpgsqlDbType.Bytea,
        [typeof(TimeSpan)] = NpgsqlDbType.Interval,
    };

    /// <summary>The PostgreSQL type of an element.</summary>
    public static NpgsqlDbType TypeOf<T>() => Types[Nullable.GetUnderlyingType(typeof(T)) ?? typeof(T)];

    /// <summary>Adds one value of each item.</summary>
    public static void Put<TItem, T>(this NpgsqlParameterCollection parameters, string name, IReadOnlyList<TItem> items, Func<TItem, T> value) =>
        parameters.Add(Parameter(name, TypeOf<T>(), items, value));

    /// <summary>Adds one JSON text of each item.</summary>
    public static void PutJson<TItem>(this NpgsqlParameterCollection parameters, string name, IReadOnlyList<TItem> items, Func<TItem, string?> value) =>
        parameters.Add(Parameter(name, NpgsqlDbType.Jsonb, items, value));

    /// <summary>One value of each item as an array.</summary>
    public static NpgsqlParameter Parameter<TItem, T>(string name, NpgsqlDbType type, IReadOnlyList<TItem> items, Func<TItem, T> value)
    {
        var values = new T[items.Count];
        for (var i = 0; i < values.Length; i++)
            values[i] = value(items[i]);
        return new NpgsqlParameter<T[]>(name, NpgsqlDbType.Array | type) { TypedValue = values };
    }

    /// <summary>How PostgreSQL writes an array of texts: <c>{"a","b"}</c>.</summary>
    public static string Literal(string[] texts) => texts.Length == 0 ? "{}"
        : $"{{{string.Join(',', texts.Select(t => $"\"{t.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\""))}}}";
}
