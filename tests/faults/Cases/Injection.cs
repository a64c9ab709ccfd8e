using System.Diagnostics;
using System.Text.RegularExpressions;
using Deployed;
using TestKit;

namespace Faults.Cases;

/// <summary>X20: what is typed into filters, cursors and ids is a value and never becomes a part of a statement.</summary>
internal static class Injection
{
    private static readonly string[] Values =
    [
        "' OR 1=1 --", "'; drop table referral; --", "\" or \"\"=\"", "1) or (1=1", "%", "_", "\\", "%%", "\u0000", "a\u0000b", "../../etc/passwd", "${7*7}", "{{7*7}}",
        "😀", "\u202Eabc", "\u200B", "１２３", "null", "-1", "1e309", "9223372036854775808", "2026-13-45", "NaN", "[]", "{}", "<script>alert(1)</script>", "a\r\nSet-Cookie: x=1",
    ];

    public static async Task Run(Scene scene)
    {
        var work = new Work(scene);
        for (var n = 0; n < 3; n++)
            await work.Submit();
        var token = Issuer.Shared.Token(Alliance.Tertiary);
        var operatorToken = Issuer.Shared.Token(Alliance.Tertiary, "Operator");
        var asked = 0;
        var operations = (await Task.WhenAll(scene.Alliance.Services.Select(Operation.Of))).SelectMany(o => o).ToArray();
        foreach (var operation in operations.Where(o => o.Method == "GET" && !o.Path.EndsWith("/stream", StringComparison.Ordinal)))
        {
            foreach (var name in operation.QueryParameters)
                foreach (var value in Values.Append(new string('a', 1_000_000)))
                    await Judge(operation, $"{Filled(operation.Path)}?{Needed(operation, name)}{name}={Uri.EscapeDataString(value)}", value);
            if (operation.Path.Contains('{'))
                foreach (var value in Values)
                    await Judge(operation, Regex.Replace(operation.Path, "{[^}]+}", Uri.EscapeDataString(value)), value);
        }
        scene.Figure($"{asked} hostile values");
        // literal: no value matches more than it says
        foreach (var value in new[] { "%", "_", "' OR 1=1 --" })
        {
            using var answer = await scene.Referral.As(Alliance.Tertiary).GetAsync("/v1/referrals?as=receiver&ownNo=" + Uri.EscapeDataString(value));
            scene.Expect((int)answer.StatusCode == 400 || (await answer.Json()).GetProperty("items").GetArrayLength() == 0, $"ownNo={value} matches rows");
        }
        scene.Same(3, await Scene.Count(scene.Referral, "select count(*) from referral where drafted_at >= @Began", new { scene.Alliance.Began }), "referrals afterwards");
        if (scene.Size == Size.Full)
            await Scan(scene, operations, token);

        async Task Judge(Operation operation, string path, string value)
        {
            foreach (var who in new[] { token, operatorToken })
            {
                var answer = await operation.Ask(who, path);
                asked++;
                // a line of a request that is too long, or what no HTTP client sends, is the server's to refuse
                scene.Expect(answer.Status is 200 or 400 or 403 or 404 or 414 or 422 or 431, $"{operation} with {Shown(value)}: {answer}");
                scene.Expect(!answer.Body.Contains("PostgresException", StringComparison.Ordinal) && !answer.Body.Contains("syntax error", StringComparison.OrdinalIgnoreCase),
                    $"{operation} with {Shown(value)} tells of its database");
            }
        }
    }

    private static string Shown(string value) => value.Length > 40 ? $"{value[..5]}… ({value.Length})" : value;

    private static string Filled(string path) => Regex.Replace(path, "{[^}]+}", Guid.Empty.ToString());

    // a list that must be told whose it is refuses everything else without that
    private static string Needed(Operation operation, string name) => operation.QueryParameters.Contains("as") && name != "as" ? "as=receiver&" : "";

    // what a scan starts from: of what does not exist nothing is asked any further
    private static string Known(string name) => name switch
    {
        "institution" or "clinic" or "parent" or "receiver" => Alliance.Tertiary,
        "alliance" => "al-stroke",
        "department" => "03.03",
        "doctor" => "dr-0001",
        "from" or "on" or "at" => "2026-01-01",
        "to" => "2026-01-31",
        "year" => "2026",
        "diagnosis" => "I63.900",
        _ => "1",
    };

    // sqlmap on every parameter of every list
    private static async Task Scan(Scene scene, IReadOnlyList<Operation> operations, string token)
    {
        var began = Stopwatch.StartNew();
        var (scanned, limit) = (0, TimeSpan.FromMinutes(10));
        foreach (var operation in operations.Where(o => o is { Method: "GET", QueryParameters.Count: > 0 } && !o.Path.Contains('{') && !o.Path.EndsWith("/stream", StringComparison.Ordinal)))
            foreach (var name in operation.QueryParameters)
            {
                if (began.Elapsed > limit)
                {
                    scene.Figure($"sqlmap stopped after {limit.TotalMinutes:0} minutes");
                    scene.Figure($"sqlmap: {scanned} parameters");
                    return;
                }
                var folder = Directory.CreateTempSubdirectory("faults-sqlmap-");
                var url = new Uri(operation.Service.Address, $"{operation.Path}?{Needed(operation, name)}{name}={Known(name)}");
                string output;
                try
                {
                    output = await Shell.Run("sqlmap", "--batch", "--level", "2", "--risk", "1", "--dbms", "PostgreSQL", "--technique", "BEUSQ", "--threads", "4",
                        "--timeout", "10", "--retries", "0", "--ignore-code", "400,403,404,422", "--disable-coloring", "--output-dir", folder.FullName,
                        "--headers", "Authorization: Bearer " + token, "-p", name, "-u", url.ToString());
                }
                catch (System.ComponentModel.Win32Exception)
                {
                    throw new SkippedException("sqlmap is not installed: apt-get install sqlmap");
                }
                finally
                {
                    folder.Delete(recursive: true);
                }
                scanned++;
                scene.Expect(!output.Contains("is vulnerable", StringComparison.Ordinal) && !output.Contains("Parameter: ", StringComparison.Ordinal), $"sqlmap finds an injection in {name} of {operation}");
                scene.Expect(output.Contains("not injectable", StringComparison.Ordinal) || output.Contains("do not appear to be injectable", StringComparison.Ordinal),
                    $"sqlmap did not test {name} of {operation}: {output.Split('\n').LastOrDefault(l => l.Contains("CRITICAL", StringComparison.Ordinal) || l.Contains("ERROR", StringComparison.Ordinal))}");
            }
        scene.Figure($"sqlmap: {scanned} parameters, none injectable, in {began.Elapsed.TotalSeconds:0} s");
    }
}
