using System.Text.RegularExpressions;
using FluentAssertions;
using Referrals.Contracts;
using Xunit;

namespace Contracts.Tests;

/// <summary>No member of an event is called like something that belongs to the patient.</summary>
[Collection("contracts")]
public sealed partial class PatientDataTests
{
    /// <summary>Words that a member for patient data would be called by.</summary>
    private static readonly HashSet<string> Suspicious =
    [
        "name", "surname", "pinyin", "initials", "patient", "person", "citizen", "relative", "guardian", "contact", "family",
        "phone", "mobile", "tel", "telephone", "fax", "mail", "email", "wechat", "openid",
        "address", "street", "village", "town", "postcode", "zip", "residence", "location", "latitude", "longitude",
        "birth", "birthday", "born", "age", "sex", "gender", "marital", "nation", "ethnicity", "occupation", "employer", "religion",
        "identity", "idno", "idcard", "card", "passport", "insurance", "insured", "account", "mrn", "admission", "visit", "archive", "record",
        "text", "note", "notes", "comment", "remark", "message", "words", "content", "detail", "details", "description", "summary", "title",
        "body", "question", "answer", "advice", "slip", "form", "attachment", "file", "photo", "image", "picture", "signature", "url",
        "diagnosis", "diagnoses", "icd", "disease", "illness", "symptom", "symptoms", "complaint", "history", "condition", "allergy",
        "allergies", "drug", "drugs", "medicine", "medication", "treatment", "surgery", "result", "results", "finding", "findings",
        "vital", "vitals", "pressure", "pulse", "temperature", "glucose", "lab", "death", "died", "hiv", "pregnant", "pregnancy",
    ];

    /// <summary>Members that sound like it and were looked at.</summary>
    private static readonly Dictionary<string, string> Reviewed = new()
    {
        ["firstContactAt"] = "A time: when an emergency was first seen; it names nobody.",
        ["patientClass"] = "One of six codes for who is sent down; masked for readers who are no party where it says Palliative.",
    };

    [Fact]
    public void No_member_is_called_like_patient_data()
    {
        var members = Catalogue.All.SelectMany(e => e.Always.Concat(e.Members))
            .Concat(Records().SelectMany(r => r.GetProperties()).Select(EventType.NameOf)).ToHashSet();

        Suspects(members).Should().BeEquivalentTo(Reviewed.Keys,
            "events carry ids, codes, states and times only; a member that merely sounds like more is put on the reviewed list with its reason");
    }

    [Theory]
    [InlineData("patientName")]
    [InlineData("contactPhone")]
    [InlineData("homeAddress")]
    [InlineData("idNo")]
    [InlineData("reasonText")]
    [InlineData("birthDate")]
    [InlineData("diagnosisCode")]
    public void A_member_for_patient_data_would_be_noticed(string member) => Suspects([member]).Should().Equal(member);

    [Fact]
    public void Text_that_the_records_let_through_is_a_code_an_id_or_a_number()
    {
        // a new text member is put here after a look at who writes it
        string[] known =
        [
            "ReferralFacts.ReferralNo", "ReferralFacts.Sender", "ReferralFacts.Receiver", "ReferralFacts.Department", "ReferralFacts.Participants", "ReferralFacts.Clinician",
            "ReferralFacts.Purposes", "ReferralFacts.ParentNo", "ReferralFacts.LinkedNo", "ReferralFacts.Institution", "ReferralFacts.OnBehalfOf", "ReferralFacts.AllianceOffice",
            "ReferralFacts.Reason", "ReferralFacts.PreviousReceiver", "ReferralFacts.Resource", "ReferralFacts.Eligibility", "ReferralFacts.Flags",
            "BookingFacts.Resource", "DeadlineFacts.Timer", "DeadlineFacts.To", "SchedulingFacts.ReferralNo", "SchedulingFacts.Institution", "SchedulingFacts.Department",
            "SchedulingFacts.Resource", "SchedulingFacts.Clinician", "SchedulingFacts.CodeHash", "SchedulingFacts.Reason", "SchedulingFacts.By",
            // the house's own words on where to go and what to bring, said of slots and wards before anybody is booked there
            "SchedulingFacts.Place", "SchedulingFacts.Bring",
            "NotificationFacts.Institution", "NotificationFacts.Reason",
        ];

        Records().SelectMany(r => r.GetProperties()).Where(p => Schemas.Inner(p.PropertyType) == typeof(string))
            .Select(p => $"{p.DeclaringType!.Name}.{p.Name}").Should().BeEquivalentTo(known);
    }

    private static IEnumerable<string> Suspects(IEnumerable<string> members) =>
        members.Where(member => Suspicious.Contains(member.ToLowerInvariant()) || Words().Matches(member).Any(w => Suspicious.Contains(w.Value.ToLowerInvariant())));

    // the facts and every record inside them
    private static IEnumerable<Type> Records()
    {
        var found = new HashSet<Type>();
        var open = new Stack<Type>(Catalogue.All.Select(e => e.Facts).Distinct());
        while (open.TryPop(out var type))
            if (type is { IsClass: true, Namespace: "Referrals.Contracts" } && found.Add(type))
                foreach (var property in type.GetProperties())
                    open.Push(Schemas.Inner(property.PropertyType));
        return found;
    }

    [GeneratedRegex("[A-Z]?[a-z]+")]
    private static partial Regex Words();
}
