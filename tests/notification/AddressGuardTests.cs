using System.Net;
using System.Net.Sockets;

namespace NotificationService.Tests;

public sealed class AddressGuardTests
{
    private static readonly WebhookSettings Settings = WebhookSettings.From(new Microsoft.Extensions.Configuration.ConfigurationManager());

    [Theory]
    [InlineData("0.0.0.0")]
    [InlineData("10.0.0.1")]
    [InlineData("10.255.255.255")]
    [InlineData("100.64.0.1")]
    [InlineData("100.100.100.200")]
    [InlineData("100.127.255.255")]
    [InlineData("127.0.0.1")]
    [InlineData("127.255.255.254")]
    [InlineData("168.63.129.16")]
    [InlineData("169.254.0.1")]
    [InlineData("169.254.169.254")]
    [InlineData("172.16.0.1")]
    [InlineData("172.31.255.255")]
    [InlineData("192.0.0.1")]
    [InlineData("192.0.2.1")]
    [InlineData("192.88.99.1")]
    [InlineData("192.168.1.1")]
    [InlineData("198.18.0.1")]
    [InlineData("198.51.100.1")]
    [InlineData("203.0.113.1")]
    [InlineData("224.0.0.1")]
    [InlineData("239.255.255.255")]
    [InlineData("240.0.0.1")]
    [InlineData("255.255.255.255")]
    [InlineData("::")]
    [InlineData("::1")]
    [InlineData("::127.0.0.1")]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("::ffff:10.0.0.1")]
    [InlineData("::ffff:169.254.169.254")]
    [InlineData("64:ff9b::7f00:1")]
    [InlineData("64:ff9b:1::1")]
    [InlineData("100::1")]
    [InlineData("2001::1")]
    [InlineData("2001:db8::1")]
    [InlineData("2002:7f00:1::1")]
    [InlineData("3fff::1")]
    [InlineData("5f00::1")]
    [InlineData("fc00::1")]
    [InlineData("fd00:ec2::254")]
    [InlineData("fe80::1")]
    [InlineData("fec0::1")]
    [InlineData("ff02::1")]
    public void An_address_that_is_not_public_is_refused(string address) =>
        AddressGuard.IsPublic(IPAddress.Parse(address)).Should().BeFalse();

    [Theory]
    [InlineData("1.1.1.1")]
    [InlineData("100.63.255.255")]
    [InlineData("100.128.0.1")]
    [InlineData("172.15.255.255")]
    [InlineData("172.32.0.1")]
    [InlineData("223.5.5.5")]
    [InlineData("::ffff:223.5.5.5")]
    [InlineData("2400:3200::1")]
    [InlineData("2606:4700:4700::1111")]
    public void A_public_address_is_allowed(string address) =>
        AddressGuard.IsPublic(IPAddress.Parse(address)).Should().BeTrue();

    [Fact]
    public async Task One_private_address_among_public_ones_refuses_the_name()
    {
        var guard = new AddressGuard(Settings, (_, _) => Task.FromResult(new[] { IPAddress.Parse("1.1.1.1"), IPAddress.Parse("10.0.0.1") }));
        (await guard.Refusal(new("https://two-faced.example"), default)).Should().Be(AddressRefusal.NotPublic);
    }

    [Fact]
    public async Task A_name_that_changes_its_answer_after_the_check_is_refused_at_the_socket()
    {
        using var inside = new TcpListener(IPAddress.Loopback, 0);
        inside.Start();
        var answers = new Queue<IPAddress>([IPAddress.Parse("1.1.1.1"), IPAddress.Loopback]);
        var guard = new AddressGuard(Settings, (_, _) => Task.FromResult(new[] { answers.Dequeue() }));
        var url = new Uri($"https://rebinding.example:{((IPEndPoint)inside.LocalEndpoint).Port}");
        (await guard.Refusal(url, default)).Should().BeNull("it resolves to a public address now");

        using var http = new HttpClient(new SocketsHttpHandler { ConnectCallback = guard.Connect });
        var sending = () => http.PostAsync(url, null);
        (await sending.Should().ThrowAsync<HttpRequestException>()).WithInnerException<RefusedAddressException>();
        inside.Pending().Should().BeFalse("no connection was made");
    }

    [Theory]
    [InlineData("http://127.0.0.1:8080/", null)]
    [InlineData("http://127.0.0.2/", AddressRefusal.NotPublic)]
    [InlineData("http://1.1.1.1/", AddressRefusal.HttpsNeeded)]
    [InlineData("https://1.1.1.1/", null)]
    [InlineData("https://[::1]/", AddressRefusal.NotPublic)]
    internal async Task Only_the_allow_list_permits_a_private_address_or_plain_http(string url, AddressRefusal? refusal)
    {
        var guard = new AddressGuard(Settings with { AllowedAddresses = [IPNetwork.Parse("127.0.0.1/32")] }, Dns.GetHostAddressesAsync);
        (await guard.Refusal(new(url), default)).Should().Be(refusal);
    }
}
