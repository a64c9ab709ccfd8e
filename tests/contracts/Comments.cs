using System.Reflection;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Referrals.Contracts;

namespace Contracts.Tests;

/// <summary>The doc comments of the contracts, as plain text.</summary>
internal static partial class Comments
{
    private static readonly Dictionary<string, XElement> ById =
        XDocument.Load(Path.ChangeExtension(typeof(CloudEvents).Assembly.Location, ".xml"))
            .Descendants("member").ToDictionary(m => m.Attribute("name")!.Value);

    public static string? Of(Type type) => Summary("T:" + type.FullName);

    public static string? OfValue(Type type, string value) => Summary($"F:{type.FullName}.{value}");

    /// <summary>What stands at the property, at its parameter of a positional record, or at its enum type.</summary>
    public static string? Of(PropertyInfo property)
    {
        var owner = property.DeclaringType!;
        if (Summary($"P:{owner.FullName}.{property.Name}") is { } own)
            return own;
        var parameter = ById.GetValueOrDefault("T:" + owner.FullName)?.Elements("param")
            .SingleOrDefault(p => p.Attribute("name")!.Value == property.Name);
        if (parameter is not null)
            return Plain(parameter);
        return Schemas.Inner(property.PropertyType) is { IsEnum: true } or { IsClass: true, Namespace: "Referrals.Contracts" }
            ? Of(Schemas.Inner(property.PropertyType))
            : null;
    }

    private static string? Summary(string id) => ById.GetValueOrDefault(id)?.Element("summary") is { } summary ? Plain(summary) : null;

    private static string Plain(XElement element)
    {
        var text = string.Concat(element.Nodes().Select(node => node switch
        {
            XText t => t.Value,
            XElement e when e.Attribute("cref")?.Value is { } cref => Named(cref),
            XElement e => e.Value,
            _ => "",
        }));
        return Spaces().Replace(text, " ").Trim();
    }

    // a member is called as on the wire
    private static string Named(string cref)
    {
        var name = cref[(cref.LastIndexOf('.') + 1)..];
        return cref.StartsWith("P:", StringComparison.Ordinal) ? JsonNamingPolicy.CamelCase.ConvertName(name) : name;
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
