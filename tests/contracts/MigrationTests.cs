using FluentAssertions;
using Xunit;

namespace Contracts.Tests;

/// <summary>
/// A migration runs while the version before it still serves: it expands, and a later one contracts. What takes
/// something away from the version that serves is refused.
/// </summary>
public sealed class MigrationTests
{
    // all of the first release starts together: there is no version before it
    private const int FirstAfterRelease = 100;

    public static TheoryData<string> Files =>
        [.. Directory.GetFiles(SourceTree.Root, "*.sql", SearchOption.AllDirectories)
            .Where(f => f.Contains("/Migrations/", StringComparison.Ordinal) && !f.Contains("/bin/", StringComparison.Ordinal) && !f.Contains("/obj/", StringComparison.Ordinal))
            .Select(f => Path.GetRelativePath(SourceTree.Root, f)).Order(StringComparer.Ordinal)];

    [Theory, MemberData(nameof(Files))]
    public void A_migration_takes_nothing_away_from_the_version_that_serves(string file)
    {
        if (int.Parse(Path.GetFileName(file)[..4]) >= FirstAfterRelease)
            Taken.From(File.ReadAllText(Path.Combine(SourceTree.Root, file))).Should().BeEmpty(
                "{0} runs while the version before it serves; once that one is gone, a line '-- contract: why nobody needs it' above the statement lets it pass", file);
        else
            File.ReadAllText(Path.Combine(SourceTree.Root, file)).Should().NotBeNullOrWhiteSpace();
    }

    [Theory]
    [InlineData("drop table referral")]
    [InlineData("drop table if exists referral cascade")]
    [InlineData("drop view worklist")]
    [InlineData("drop function lost_race()")]
    [InlineData("drop trigger history_is_append_only on history")]
    [InlineData("alter table referral drop column rating")]
    [InlineData("alter table referral add column a text, drop rating")]
    [InlineData("alter table referral rename column rating to stars")]
    [InlineData("alter table referral rename to case_file")]
    [InlineData("ALTER TABLE referral\n    ALTER COLUMN rating TYPE bigint")]
    [InlineData("alter table referral alter rating set data type bigint")]
    [InlineData("alter table referral alter column rating set not null")]
    [InlineData("alter table referral alter column rating drop default")]
    [InlineData("alter table referral add column stars int not null")]
    [InlineData("alter table referral add constraint stars check (rating < 6)")]
    [InlineData("alter table referral add unique (referral_no)")]
    [InlineData("create unique index one_number on referral (referral_no)")]
    [InlineData("alter type state add attribute x int")]
    [InlineData("truncate inbox")]
    [InlineData("delete from inbox")]
    [InlineData("revoke insert on audit from referral_app")]
    [InlineData("do $$ begin perform 1; end $$; drop table referral")]
    public void What_breaks_the_version_that_serves_is_found(string statement) =>
        Taken.From($"create table next_thing (id int);\n-- a reason, but no contraction\n{statement};\n").Should().ContainSingle();

    [Theory]
    [InlineData("alter table referral add column stars int")]
    [InlineData("alter table referral add column stars int not null default 0, add column why text check (why <> '')")]
    [InlineData("alter table referral alter column rating drop not null")]
    [InlineData("alter table referral drop constraint at_most_three_legs")]
    [InlineData("alter table referral alter column rating set default 5")]
    [InlineData("drop index referral_by_age")]
    [InlineData("create index next_by_age on outbox (created_at)")]
    [InlineData("create table stars (id int not null, unique (id)); alter table stars add constraint few check (id < 6); create unique index one on stars (id)")]
    [InlineData("insert into reason_code (code) values ('drop table referral;')")]
    [InlineData("-- drop table referral;\nselect 1")]
    [InlineData("create function f() returns trigger language plpgsql as $$ begin delete from waiting; return null; end $$")]
    [InlineData("alter type state add value 'Ajar'")]
    [InlineData("grant delete on inbox to referral_app")]
    [InlineData("-- contract: 1.2 was the last version that read it\nalter table referral drop column rating")]
    public void What_only_adds_passes(string statement) => Taken.From($"create table next_thing (id int);\n{statement};\n").Should().BeEmpty();
}
