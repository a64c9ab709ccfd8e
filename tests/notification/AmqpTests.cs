using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;
using Referrals.Contracts;

namespace NotificationService.Tests;

/// <summary>Institutions that read their own exchange with a plain AMQP client.</summary>
public sealed class AmqpTests(AmqpTests.Offering service) : IClassFixture<AmqpTests.Offering>
{
    public sealed class Offering() : Service(null, ("RabbitMq:Management", Servers.RabbitMqManagement));

    /// <summary>A user of the broker as its institution was given it.</summary>
    private sealed record User(string Id, string Name, string Password, string VirtualHost, string Exchange, string QueuePrefix);

    private static User Read(JsonElement answer) => new(Text(answer, "id"), Text(answer, "name"), Text(answer, "password"),
        Text(answer, "virtualHost"), Text(answer, "exchange"), Text(answer, "queuePrefix"));

    private static string Text(JsonElement answer, string member) => answer.GetProperty(member).GetString()!;

    private async Task<User> UserOf(string institution)
    {
        var answer = await service.As(institution).Command("/v1/broker-users", new { description = "HIS" });
        answer.StatusCode.Should().Be(HttpStatusCode.Created, await answer.Content.ReadAsStringAsync());
        return Read(await answer.Json());
    }

    private Task<IConnection> Connect(User user, string? virtualHost = null) => new ConnectionFactory
    {
        Uri = new UriBuilder(service.RabbitMq) { UserName = user.Name, Password = user.Password, Path = "/" + (virtualHost ?? user.VirtualHost) }.Uri,
        AutomaticRecoveryEnabled = false,
    }.CreateConnectionAsync();

    // the client may learn of the refusal only when it opens a channel
    private async Task<bool> MayEnter(User user, string virtualHost)
    {
        try
        {
            await using var connection = await Connect(user, virtualHost);
            await using var channel = await connection.CreateChannelAsync();
            return channel.IsOpen;
        }
        catch (Exception e) when (e is BrokerUnreachableException or AlreadyClosedException or OperationInterruptedException)
        {
            return false;
        }
    }

    private static async Task<ConcurrentQueue<JsonElement>> Listen(IConnection connection, User user, string queue, params string[] keys)
    {
        var channel = await connection.CreateChannelAsync();
        await channel.QueueDeclareAsync(user.QueuePrefix + queue, durable: true, exclusive: false, autoDelete: false);
        foreach (var key in keys)
            await channel.QueueBindAsync(user.QueuePrefix + queue, user.Exchange, key);
        var heard = new ConcurrentQueue<JsonElement>();
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            delivery.RoutingKey.Should().Be(delivery.BasicProperties.Type);
            delivery.BasicProperties.ContentType.Should().Be(CloudEvents.MediaType);
            heard.Enqueue(JsonDocument.Parse(Encoding.UTF8.GetString(delivery.Body.Span)).RootElement);
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(user.QueuePrefix + queue, autoAck: true, consumer);
        return heard;
    }

    private static Task Has(ConcurrentQueue<JsonElement> heard, int count, string what) =>
        Eventually.Is(() => Task.FromResult(heard.Count >= count), $"{what}: {count} of {heard.Count}");

    [Fact]
    public async Task A_plain_client_receives_what_it_bound_and_another_institutions_client_nothing_of_it()
    {
        var referral = A.Referral();
        var (ours, theirs) = (await UserOf(referral.Receiver), await UserOf(A.Institution()));
        await using var our = await Connect(ours);
        await using var their = await Connect(theirs);
        var accepted = await Listen(our, ours, "accepted", "referral.up.accepted");
        var all = await Listen(our, ours, "all", "#");
        var strange = await Listen(their, theirs, "all", "#");
        var story = referral.Story();
        await service.Publish(story);
        await Has(all, 4, "everything");
        all.Select(e => e.GetRawText()).Should().Equal(story.Select(e => e.Body), "the copies come in order, as they were published");
        accepted.Should().ContainSingle().Which.GetProperty("type").GetString().Should().Be("referral.up.accepted");
        await Task.Delay(300);
        strange.Should().BeEmpty();
    }

    [Fact]
    public async Task A_user_can_do_nothing_outside_its_own_queues_and_its_institutions_exchange()
    {
        var (ours, theirs) = (await UserOf(A.Institution()), await UserOf(A.Institution()));
        await using var connection = await Connect(ours);
        await Refused("another institution's exchange", c => c.QueueBindAsync(ours.QueuePrefix + "q", theirs.Exchange, "#"));
        await Refused("a queue of another name", c => c.QueueDeclareAsync("notification-referral-events", true, false, false));
        await Refused("another user's queue", c => c.QueueDeclareAsync(theirs.QueuePrefix + "q", true, false, false));
        await Refused("a queue that the broker names", c => c.QueueDeclareAsync("", false, true, true));
        await Refused("an exchange", c => c.ExchangeDeclareAsync("institution-events.fake", "topic", true));
        await Refused("deleting its exchange", c => c.ExchangeDeleteAsync(ours.Exchange));
        await Refused("publishing", async c => await c.BasicPublishAsync(ours.Exchange, "referral.up.accepted", false, new BasicProperties(), Encoding.UTF8.GetBytes("{}")));
        await Refused("publishing to a queue", async c => await c.BasicPublishAsync("", theirs.QueuePrefix + "q", false, new BasicProperties(), Encoding.UTF8.GetBytes("{}")));
        await Refused("dead letters into another's exchange", c => c.QueueDeclareAsync(ours.QueuePrefix + "dead", true, false, false,
            new Dictionary<string, object?> { ["x-dead-letter-exchange"] = theirs.Exchange }));
        // the services' own virtual host
        (await MayEnter(ours, new Uri(service.RabbitMq).AbsolutePath.TrimStart('/'))).Should().BeFalse();
        (await MayEnter(ours, "referral")).Should().BeFalse();
        (await MayEnter(ours, ours.VirtualHost)).Should().BeTrue();

        async Task Refused(string what, Func<IChannel, Task> action)
        {
            await using var channel = await connection.CreateChannelAsync(new(true, true));
            await channel.QueueDeclareAsync(ours.QueuePrefix + "q", true, false, false);
            var refusal = await FluentActions.Awaiting(() => action(channel)).Should().ThrowAsync<Exception>(what);
            refusal.Which.Should().Match(e => e is OperationInterruptedException || e is AlreadyClosedException || e is PublishException, what);
            channel.CloseReason!.ReplyCode.Should().Be(403, what);
        }
    }

    [Fact]
    public async Task A_revoked_user_is_cut_off_and_cannot_come_back()
    {
        var referral = A.Referral();
        var owner = service.As(referral.Sender);
        var user = await UserOf(referral.Sender);
        await using var connection = await Connect(user);
        await Listen(connection, user, "all", "#");
        (await owner.DeleteAsync($"/v1/broker-users/{user.Id}")).StatusCode.Should().Be(HttpStatusCode.NoContent);
        await Eventually.Is(() => Task.FromResult(!connection.IsOpen), "its connection is closed");
        await FluentActions.Awaiting(() => Connect(user)).Should().ThrowAsync<BrokerUnreachableException>();
        (await owner.GetAsync("/v1/broker-users").Json()).GetProperty("items").GetArrayLength().Should().Be(0);
        (await owner.DeleteAsync($"/v1/broker-users/{user.Id}")).StatusCode.Should().Be(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task A_rotated_password_takes_the_place_of_the_old_one_and_the_queues_stay()
    {
        var referral = A.Referral();
        var owner = service.As(referral.Sender);
        var user = await UserOf(referral.Sender);
        await using (var connection = await Connect(user))
        {
            await Listen(connection, user, "all", "#");
            var key = Guid.NewGuid().ToString();
            var rotated = await owner.Command($"/v1/broker-users/{user.Id}/rotate", key: key);
            rotated.StatusCode.Should().Be(HttpStatusCode.OK, await rotated.Content.ReadAsStringAsync());
            var fresh = Read(await rotated.Json());
            fresh.Password.Should().NotBe(user.Password);
            (await (await owner.Command($"/v1/broker-users/{user.Id}/rotate", key: key)).Json()).GetProperty("password").GetString().Should().Be(fresh.Password, "a repetition rotates nothing");
            await Eventually.Is(() => Task.FromResult(!connection.IsOpen), "the old connection is closed");
            await FluentActions.Awaiting(() => Connect(user)).Should().ThrowAsync<BrokerUnreachableException>();
            await service.Publish(referral.Next("submitted"));
            await using var again = await Connect(fresh);
            await Has(await Listen(again, fresh, "all"), 1, "what came meanwhile lies in the queue");
        }
        (await owner.GetStringAsync("/v1/broker-users")).Should().NotContain("password");
    }

    [Fact]
    public async Task Copies_go_on_where_they_stopped_when_the_service_restarts()
    {
        var referral = A.Referral();
        var user = await UserOf(referral.Sender);
        await using var connection = await Connect(user);
        var heard = await Listen(connection, user, "all", "#");
        await service.Publish(referral.Story(3));
        await Has(heard, 3, "before");
        await service.StopHost();
        await service.Publish([.. Enumerable.Range(0, 50).Select(_ => referral.Next("note-added"))]);
        await service.StartHost();
        await Has(heard, 53, "after the restart");
        heard.Select(e => e.GetProperty("sequence").GetString()).Distinct().Should().Equal(Enumerable.Range(1, 53).Select(n => n.ToString()));
    }

    [Fact]
    public async Task A_user_whose_making_was_not_committed_is_taken_away()
    {
        var user = await UserOf(A.Institution());
        await using (var connection = await Connect(user))
            connection.IsOpen.Should().BeTrue();
        // as a crash between the broker and the commit leaves it
        await service.Database.Execute("delete from broker_user where id = @Id::uuid", new { user.Id });
        await service.StopHost();
        await service.StartHost();
        await Eventually.Is(async () =>
        {
            try
            {
                await using var connection = await Connect(user);
                return false;
            }
            catch (BrokerUnreachableException)
            {
                return true;
            }
        }, "the keeper takes it away");
    }

    [Fact]
    public async Task Another_institutions_user_is_not_found_and_no_table_holds_a_password()
    {
        var user = await UserOf(A.Institution());
        var stranger = service.As(A.Institution());
        (await stranger.DeleteAsync($"/v1/broker-users/{user.Id}")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await stranger.Command($"/v1/broker-users/{user.Id}/rotate")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await service.Count("audit where target = @Id and verdict = 'denied'", new { user.Id })).Should().Be(2);
        foreach (var table in new[] { "broker_user", "idempotency_key", "audit" })
            string.Concat(await service.Database.Query<string>($"select t::text from {table} t")).Should().NotContain(user.Password);
    }
}

[Collection("service")]
public sealed class NoAmqpTests(Service service)
{
    [Fact]
    public async Task An_installation_without_a_management_interface_says_that_it_offers_no_amqp()
    {
        var answer = await service.As(A.Institution()).Command("/v1/broker-users");
        answer.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await answer.Json()).GetProperty("code").GetString().Should().Be("amqp-not-offered");
    }
}
