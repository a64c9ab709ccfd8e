using System.Text;
using System.Text.Json;
using Referrals.Contracts;

namespace Contracts.Tests;

/// <summary>The AsyncAPI 3 document: where the events of the catalogues are heard, and how.</summary>
internal static class AsyncApi
{
    private static readonly JsonSerializerOptions Quoted = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Document()
    {
        var text = new StringBuilder(Head());
        text.Append("channels:\n");
        text.Append(ReferralChannel()).Append(Messages("messages", Catalogue.Referral));
        text.Append(SchedulingChannel()).Append(Messages("messages", Catalogue.Scheduling));
        text.Append(InstitutionChannel()).Append(Messages("messages", Institution));
        text.Append(WebhookChannel()).Append(Messages("messages", Webhooks));
        text.Append(Operations());
        text.Append("components:\n  messages:\n");
        foreach (var e in Catalogue.All)
            text.Append($"""
                    {Key(e)}:
                      name: {e.Name}
                      title: {e.Name}
                      summary: {Quote(e.Meaning)}
                      payload:
                        $ref: ./schemas/{e.Name}.json
                      traits:
                        - $ref: '#/components/messageTraits/cloudEvent'

                """);
        text.Append(Components());
        return text.ToString();
    }

    private static IReadOnlyList<EventType> Webhooks => Catalogue.ForParties;

    // a ping goes to the endpoint that is tested, and nowhere else
    private static IReadOnlyList<EventType> Institution => [.. Catalogue.ForParties.Where(e => e.Name != NotificationEvents.Test)];

    private static string Head() => $$"""
        # Generated from contracts/*.cs: change those, then run REFERRAL_ACCEPT=1 tests/run contracts
        asyncapi: 3.0.0
        info:
          title: Referral events
          version: 1.0.0
          description: >-
            What happened to referrals, bookings and webhook endpoints, as CloudEvents 1.0 in JSON. The body is the same on
            the broker, in webhooks and in the feed (GET /v1/events of the notification service). Ids, codes, states and
            times only: no name, number, address, phone, diagnosis or free text of a patient. Delivered at least once and
            not always in order: drop what you have by id, and order the events of one referral by sequence. Additive
            changes only: ignore members and event types that you do not know.
          license:
            name: Apache-2.0
            url: https://www.apache.org/licenses/LICENSE-2.0
        defaultContentType: {{CloudEvents.MediaType}}
        servers:
          broker:
            host: '{brokerHost}:{brokerPort}'
            protocol: amqp
            protocolVersion: 0.9.1
            pathname: /referral
            description: RabbitMQ; with TLS where it is reached from other machines.
            variables:
              brokerHost:
                default: localhost
              brokerPort:
                default: '5672'
            security:
              - $ref: '#/components/securitySchemes/brokerUser'
          institutions:
            host: '{brokerHost}:{brokerPort}'
            protocol: amqp
            protocolVersion: 0.9.1
            pathname: /referral-institutions
            description: The virtual host of the institutions; with TLS where it is reached from other machines.
            variables:
              brokerHost:
                default: localhost
              brokerPort:
                default: '5672'
            security:
              - $ref: '#/components/securitySchemes/brokerUser'
          endpoint:
            host: '{endpointHost}'
            protocol: https
            description: A subscriber's own server, registered with POST /v1/endpoints of the notification service.
            variables:
              endpointHost:
                default: hospital.example
            security:
              - $ref: '#/components/securitySchemes/webhookSignature'

        """;

    private static string ReferralChannel() => $$"""
          {{ReferralEvents.Exchange}}:
            address: referral.{direction}.{event}
            title: Referral events
            description: Topic exchange of the referral service, for the services. The routing key is the event's type.
            servers:
              - $ref: '#/servers/broker'
            parameters:
              direction:
                enum: [up, down]
                description: Up to the hospital, or back down.
              event:
                description: The last part of the type, e.g. accepted.
        {{Exchange(ReferralEvents.Exchange)}}
        """;

    private static string SchedulingChannel() => $$"""
          {{SchedulingEvents.Exchange}}:
            address: scheduling.{event}
            title: Scheduling events
            description: Topic exchange of the scheduling service, for the services. The routing key is the event's type.
            servers:
              - $ref: '#/servers/broker'
            parameters:
              event:
                description: The last part of the type, e.g. booked.
        {{Exchange(SchedulingEvents.Exchange)}}
        """;

    private static string InstitutionChannel() => $$"""
          institution-events:
            address: '{type}'
            title: Events of one institution
            description: >-
              A topic exchange of its own for each institution that asks for it with POST /v1/broker-users of the
              notification service, with a copy of every event it is a party of from then on. Its users bind their queues
              there and nowhere else; the names of the queues begin with the user's name and a dot. Everything else on the
              broker is closed to them. The name of the exchange ends in the institution's code. A queue keeps a week and
              64 MiB; whoever was away for longer reads the feed.
            servers:
              - $ref: '#/servers/institutions'
            parameters:
              type:
                description: The event's type, e.g. referral.up.accepted; bind with * and #.
        {{Exchange("institution-events." + Examples.Township, "referral-institutions")}}
        """;

    private static string WebhookChannel() => """
          webhooks:
            address: null
            title: Webhooks
            description: >-
              A POST to each endpoint whose filter wants the event, by Standard Webhooks 1.0. Any 2xx takes it, anything else
              is tried again on a schedule; 410 disables the endpoint. The address is the endpoint's own.
            servers:
              - $ref: '#/servers/endpoint'

        """;

    private static string Exchange(string name, string virtualHost = "referral") => $"""
            bindings:
              amqp:
                is: routingKey
                exchange:
                  name: {name}
                  type: topic
                  durable: true
                  autoDelete: false
                  vhost: {virtualHost}
                bindingVersion: 0.3.0

        """;

    private static string Messages(string title, IReadOnlyList<EventType> events)
    {
        var text = new StringBuilder($"    {title}:\n");
        foreach (var e in events)
            text.Append($"      {Key(e)}:\n        $ref: '#/components/messages/{Key(e)}'\n");
        return text.ToString();
    }

    private static string Operations() => $$"""
        operations:
          publishReferralEvents:
            action: send
            channel:
              $ref: '#/channels/{{ReferralEvents.Exchange}}'
            title: The referral service publishes
            summary: One event for each row of a referral's history, from submit on.
            bindings:
              $ref: '#/components/operationBindings/published'
          publishSchedulingEvents:
            action: send
            channel:
              $ref: '#/channels/{{SchedulingEvents.Exchange}}'
            title: The scheduling service publishes
            summary: What became of the places that referrals asked for.
            bindings:
              $ref: '#/components/operationBindings/published'
          publishInstitutionEvents:
            action: send
            channel:
              $ref: '#/channels/institution-events'
            title: The notification service copies
            summary: Every event of which the institution is a party.
            bindings:
              $ref: '#/components/operationBindings/published'
          deliverWebhook:
            action: send
            channel:
              $ref: '#/channels/webhooks'
            title: The notification service delivers
            summary: Every event that an endpoint asked for, until it answers 2xx.
            bindings:
              http:
                method: POST
                bindingVersion: 0.3.0

        """;

    private static string Components() => $$"""
          messageTraits:
            cloudEvent:
              contentType: {{CloudEvents.MediaType}}
              bindings:
                http:
                  headers:
                    type: object
                    required: [webhook-id, webhook-timestamp, webhook-signature]
                    properties:
                      webhook-id:
                        type: string
                        description: Identifies the message; the same on every attempt.
                      webhook-timestamp:
                        type: string
                        pattern: '^[0-9]+$'
                        description: Time of the attempt in seconds since 1970-01-01T00:00:00Z.
                      webhook-signature:
                        type: string
                        pattern: '^v1,[A-Za-z0-9+/]+=*( v1,[A-Za-z0-9+/]+=*)*$'
                        description: >-
                          "v1," and the base64 HMAC-SHA-256 of id.timestamp.body with the endpoint's secret; several,
                          separated by a blank, while a secret is replaced.
                  bindingVersion: 0.3.0
          operationBindings:
            published:
              amqp:
                deliveryMode: 2
                mandatory: false
                bindingVersion: 0.3.0
          securitySchemes:
            brokerUser:
              type: userPassword
              description: A user of the broker; institutions make theirs with POST /v1/broker-users of the notification service.
            webhookSignature:
              type: httpApiKey
              name: webhook-signature
              in: header
              description: The subscriber checks the signature of Standard Webhooks 1.0 with its endpoint's secret.

        """;

    // a dot would divide the key for some tools
    private static string Key(EventType e) => e.Name.Replace('.', '_');

    private static string Quote(string text) => JsonSerializer.Serialize(text, Quoted);
}
