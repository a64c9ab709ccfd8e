using Dapper;
using Npgsql;

namespace ReferralService.Alliances.FamilyDoctor;

/// <summary>
/// The contracts of one person that hold on a day, in both meanings of 1+1+1: a team of three people, and a choice of
/// three institutions.
/// </summary>
internal sealed record FamilyContracts
{
    public static readonly FamilyContracts None = new();

    public string? TeamId { get; init; }
    public string? TeamClinic { get; init; }
    public string? TeamDoctor { get; init; }
    public string? Specialist { get; init; }
    public string? HealthManager { get; init; }
    /// <summary>The specialist's hospital.</summary>
    public string? TeamHospital { get; init; }
    public string? ChoiceId { get; init; }
    public string? ChoiceClinic { get; init; }
    public string? ChoiceDoctor { get; init; }
    public string? District { get; init; }
    public string? Municipal { get; init; }

    public string? Id => TeamId ?? ChoiceId;
    public string? Clinic => TeamClinic ?? ChoiceClinic;
    public string? Doctor => TeamId is not null ? TeamDoctor : ChoiceDoctor;

    /// <summary>General practitioner, specialist and health manager of the team.</summary>
    public string[] Participants => [.. new[] { TeamDoctor, Specialist, HealthManager }.OfType<string>().Distinct()];

    public bool IsPartner(string institution) =>
        institution == TeamClinic || institution == TeamHospital || institution == ChoiceClinic || institution == District || institution == Municipal;

    /// <summary>Where a contract sends its patient up from here: one step above before two.</summary>
    public string? UpwardFrom(string sender, AllianceSnapshot alliance) =>
        new[] { TeamHospital, District, Municipal }.OfType<string>()
            .Where(h => h != sender && alliance.StepOf(h) > alliance.StepOf(sender))
            .OrderBy(alliance.StepOf).FirstOrDefault();

    /// <summary>For a query that has the person's <c>id_index</c> in <c>person</c>: joins, and the columns they give.</summary>
    public const string Columns = """
        team.id as team_id, team.clinic as team_clinic, team.doctor as team_doctor, team.specialist, team.health_manager,
        coalesce(team.district, team.municipal) as team_hospital,
        choice.id as choice_id, choice.clinic as choice_clinic, choice.doctor as choice_doctor, choice.district, choice.municipal
        """;

    public const string Joins = """
        left join contract team on team.patient_index = person.id_index and team.type = 'TEAM_1_1_1'
             and team.since <= @today and (team.until is null or team.until >= @today)
        left join contract choice on choice.patient_index = person.id_index and choice.type = 'INSTITUTION_1_1_1'
             and choice.since <= @today and (choice.until is null or choice.until >= @today)
        """;

    /// <summary>The contracts of a person by the keyed hash of the identity number.</summary>
    public static async Task<FamilyContracts> Of(NpgsqlConnection connection, byte[]? index, DateOnly today) =>
        index is null ? None : await connection.QuerySingleAsync<FamilyContracts>(
            $"select {Columns} from (select @index as id_index) person {Joins}", new { index, today });
}
