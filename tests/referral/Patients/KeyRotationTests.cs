using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using ReferralService.Alliances;
using ReferralService.Patients;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Patients;

/// <summary>The service's key is turned while everybody works, and may be stopped at any moment.</summary>
public sealed class KeyRotationTests : IAsyncLifetime
{
    private const string IdNo = "110101199003074215";
    private readonly ReferralHost _host = new();
    private readonly string _newKey = Path.Combine(Directory.CreateTempSubdirectory("referral-key-").FullName, "patient.key");

    public Task InitializeAsync()
    {
        File.WriteAllText(_newKey, Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)));
        return _host.InitializeAsync();
    }

    public Task DisposeAsync() => _host.DisposeAsync();

    private async Task<ServiceHost<Program>> With(string key, string? other)
    {
        var settings = new Dictionary<string, string> { ["Patients:KeyFile"] = key };
        if (other is not null)
            settings["Patients:OtherKeyFiles:0"] = other;
        var host = new ServiceHost<Program>(_host.Database.App, _host.RabbitMq, _host.Clock, settings);
        await host.Services.GetRequiredService<AllianceDirectory>().Refresh();
        return host;
    }

    private static async Task<HttpStatusCode> Reads(ServiceHost<Program> service, A referral, string name)
    {
        var answer = await service.As(Issuer.Shared.Token(ReferralHost.Township)).GetAsync($"/v1/referrals/{referral.Id}");
        if (answer.StatusCode == HttpStatusCode.OK)
            (await answer.Json()).GetProperty("identity").GetProperty("name").GetString().Should().Be(name);
        return answer.StatusCode;
    }

    private Task<A> Patient(string name, string? idNo = null) => A.Submitted(_host, slip =>
    {
        slip["patient"] = new JsonObject { ["name"] = name, ["sex"] = "1", ["birthDate"] = "1990-03-07" };
        if (idNo is not null)
            slip["patient"]!["idNo"] = idNo;
    });

    [Fact]
    public async Task What_kept_the_first_patient_out_after_a_start_keeps_out_no_other()
    {
        await using var started = await With(Issuer.Shared.SecretFile, other: null);
        var slip = A.UpwardSlip(change: slip => slip["patient"] = new JsonObject { ["name"] = "王重来", ["sex"] = "1", ["birthDate"] = "1990-03-07", ["idNo"] = IdNo });
        Task<HttpResponseMessage> Submit() => started.As(Issuer.Shared.Token(ReferralHost.Township)).Command("/v1/referrals?submit=true", slip);
        await _host.Database.Execute("alter table service_key rename to service_key_away");
        ((int)(await Submit()).StatusCode).Should().BeGreaterThanOrEqualTo(500, "the key of the index cannot be read");

        await _host.Database.Execute("alter table service_key_away rename to service_key");

        (await Submit()).StatusCode.Should().Be(HttpStatusCode.Created);
    }

    [Fact]
    public async Task Old_and_new_key_are_both_readable_while_it_is_turned_and_the_old_one_is_not_needed_afterwards()
    {
        var first = await Patient("张旋转", IdNo);
        var second = await Patient("李旋转");
        // as rows were written before wrapped keys carried a mark
        await _host.Database.Execute("update patient set wrapped_key = substring(wrapped_key from 5) where id = (select patient_id from referral where id = @Id)", new { second.Id });
        var old = _host.Services.GetRequiredService<PatientKeys>();
        for (var i = 0; i < RotateKeys.BatchSize + 20; i++)
            await _host.Database.Execute("insert into patient (id, wrapped_key, key_id) values (@id, @key, @KeyId)", new { id = Guid.CreateVersion7(), key = old.NewWrappedKey(), old.KeyId });

        await using var stillOld = await With(Issuer.Shared.SecretFile, other: _newKey);
        await using var turning = await With(_newKey, other: Issuer.Shared.SecretFile);
        var rotation = turning.Services.GetRequiredService<RotateKeys>();
        // it ends after its first batch, as if it was killed
        (await rotation.Batch(Guid.Empty)).Turned.Should().Be(RotateKeys.BatchSize);
        foreach (var service in new[] { stillOld, turning })
        {
            (await Reads(service, first, "张旋转")).Should().Be(HttpStatusCode.OK);
            (await Reads(service, second, "李旋转")).Should().Be(HttpStatusCode.OK);
        }
        // somebody still writes under the old key, and two of them turn at once
        var third = await Patient("王旋转");
        var turned = await Task.WhenAll(rotation.Run(), rotation.Run());
        turned.Sum(t => t.Turned).Should().Be(23);
        turned.Should().OnlyContain(t => t.Left == 0);
        (await rotation.Run()).Turned.Should().Be(0);

        await using var onlyNew = await With(_newKey, other: null);
        foreach (var (referral, name) in new[] { (first, "张旋转"), (second, "李旋转"), (third, "王旋转") })
            (await Reads(onlyNew, referral, name)).Should().Be(HttpStatusCode.OK);
        (await _host.Database.Query<int>("select count(distinct key_id)::int from patient")).Single().Should().Be(1);
    }

    [Fact]
    public async Task A_person_is_found_again_after_the_key_was_turned()
    {
        var first = await Patient("张旋转", IdNo);
        await using (var turning = await With(_newKey, other: Issuer.Shared.SecretFile))
            await turning.Services.GetRequiredService<RotateKeys>().Run();
        await using var onlyNew = await With(_newKey, other: null);
        var slip = A.UpwardSlip(change: s => s["patient"] = new JsonObject { ["name"] = "张旋转", ["sex"] = "1", ["birthDate"] = "1990-03-07", ["idNo"] = IdNo });
        var again = await onlyNew.As(Issuer.Shared.Token(ReferralHost.Township)).Command("/v1/referrals?submit=true", slip);
        again.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await again.Json()).GetProperty("openReferral").GetString().Should().Be(first.No);
    }

    [Fact]
    public async Task Without_the_key_that_wrapped_it_nothing_is_turned()
    {
        var referral = await Patient("张旋转", IdNo);
        await using var onlyNew = await With(_newKey, other: null);
        var run = () => onlyNew.Services.GetRequiredService<RotateKeys>().Run();
        (await run.Should().ThrowAsync<InvalidOperationException>()).Which.Message.Should().Contain("Patients:OtherKeyFiles");
        (await Reads(onlyNew, referral, "")).Should().Be(HttpStatusCode.InternalServerError, "a key that is missing is never a wrong answer");
    }
}
