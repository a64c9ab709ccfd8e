using System.Security.Cryptography;
using System.Text;

namespace NotificationService.Tests;

public sealed class SignatureTests
{
    // the worked example of the specification's reference libraries
    [Fact]
    public void The_signature_is_that_of_the_reference_libraries() =>
        Signature.Of("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, """{"test": 2432232314}""", [Secrets.KeyOf("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")])
            .Should().Be("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");

    [Fact]
    public void While_a_secret_is_replaced_both_sign()
    {
        var (older, newer) = (RandomNumberGenerator.GetBytes(32), RandomNumberGenerator.GetBytes(32));
        var both = Signature.Of("id", 1, "{}", [newer, older]);
        both.Split(' ').Should().Equal(Signature.Of("id", 1, "{}", [newer]), Signature.Of("id", 1, "{}", [older]));
    }

    /// <summary>What a receiver does, written anew: id.timestamp.body, HMAC-SHA-256, base64.</summary>
    internal static bool Verifies(Received received, string secret)
    {
        var key = Convert.FromBase64String(secret["whsec_".Length..]);
        var expected = "v1," + Convert.ToBase64String(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes($"{received.Id}.{received.Timestamp}.{received.Body}")));
        return received.Signature.Split(' ').Contains(expected);
    }
}
