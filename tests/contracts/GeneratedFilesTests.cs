using FluentAssertions;
using Referrals.Contracts;
using Xunit;

namespace Contracts.Tests;

[Collection("contracts")]
public sealed class GeneratedFilesTests
{
    [Fact]
    public void The_schemas_are_fresh() => SourceTree.IsFresh(Generated.Schemas);

    [Fact]
    public void The_asyncapi_document_is_fresh() => SourceTree.IsFresh(Generated.AsyncApi);

    [Fact]
    public void The_table_of_events_is_fresh() => SourceTree.IsFresh(Generated.Table);

    [Fact]
    public void The_golden_files_are_fresh() => SourceTree.IsFresh(Generated.Golden);

    [Fact]
    public void A_stale_a_missing_and_a_left_over_file_are_named_with_the_command_that_mends_it()
    {
        var folder = Directory.CreateTempSubdirectory("referral-contracts").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "fresh.json"), "{}");
            File.WriteAllText(Path.Combine(folder, "stale.json"), "{}");
            File.WriteAllText(Path.Combine(folder, "left-over.json"), "{}");
            var part = new GeneratedFiles("the files", folder, true,
                new Dictionary<string, string> { ["fresh.json"] = "{}", ["stale.json"] = "[]", ["missing.json"] = "{}" });

            var check = () => SourceTree.IsFresh(part);

            check.Should().Throw<Exception>().Which.Message.Should()
                .Contain("stale.json").And.Contain("missing.json").And.Contain("left-over.json").And.NotContain("fresh.json")
                .And.Contain("REFERRAL_ACCEPT=1 tests/run contracts");
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }

    [Fact]
    public void Every_member_has_a_description()
    {
        var silent = Catalogue.All.SelectMany(e => e.Allowed).Distinct()
            .Where(p => Comments.Of(p) is null && !p.PropertyType.IsEnum).Select(p => $"{p.DeclaringType!.Name}.{p.Name}");
        silent.Should().BeEmpty("readers of the schemas have nothing else to go by");
    }

    [Fact]
    public void Every_listed_member_is_one_of_the_record_and_every_one_of_the_record_is_listed()
    {
        foreach (var family in new[] { Catalogue.Referral, Catalogue.Scheduling, Catalogue.Notification })
            family.SelectMany(e => e.Always.Concat(e.Members)).Distinct().Should()
                .BeEquivalentTo(family[0].Facts.GetProperties().Select(EventType.NameOf));
    }

    [Fact]
    public void Every_event_name_of_the_vocabulary_stands_in_the_catalogue_once()
    {
        foreach (var (vocabulary, names) in new[]
        {
            (typeof(ReferralEvents), ReferralEvents.All.Select(e => e.Name)),
            (typeof(SchedulingEvents), SchedulingEvents.All.Select(e => e.Name)),
            (typeof(NotificationEvents), NotificationEvents.All.Select(e => e.Name)),
        })
            names.Should().BeEquivalentTo(vocabulary.GetFields().Where(f => f.IsLiteral && f.Name != "Exchange").Select(f => (string)f.GetRawConstantValue()!));
    }
}
