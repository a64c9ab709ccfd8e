using System.Text.Json.Nodes;

namespace ReferralDemo;

/// <summary>The walk from the first slot to the last webhook.</summary>
internal static class Walk
{
    /// <summary>Returns when every state was reached and every webhook arrived and was verified; throws <see cref="WalkFailed"/> otherwise.</summary>
    public static async Task Run(Options options, Printer printer)
    {
        using var tokens = new Tokens(options.IssuerKey);
        using var api = new Api(options, tokens);
        var cast = Cast.Read(options.Demo);
        var files = new DemoFiles(options.Demo);
        var supply = new Supply(api.Scheduling, printer, cast, files);
        await supply.Load();

        await using var receiver = await Receiver.Start(printer);
        var subscribers = new Subscribers(api.Notification, receiver, printer);
        var stage = new Stage(api, printer, receiver, cast, files, supply);
        try
        {
            var main = files.Slip("01");
            await subscribers.Add(cast.Office(main.Institution), "/township");
            await subscribers.Add(cast.Office(main.Target), "/hospital");
            printer.Say("Every line: time in China, duration, number, ↑ up or ↓ down, who acted, what → where the referral stands now.");

            var evidence = new Evidence(stage, subscribers);
            var (up, down) = await new Loop(stage, evidence).Run();
            await new Stories(stage, evidence).Run();
            await new MachineClient(stage).Run(main);
            await Conclude(stage, evidence, up, down);
        }
        finally
        {
            await subscribers.Leave();
        }
    }

    private static async Task Conclude(Stage stage, Evidence evidence, Case up, Case down)
    {
        await evidence.Check();
        stage.Printer.Title("What was walked");
        await PrintStates(up, "Returned", Loop.UpStates);
        await PrintStates(down, "PlanFinished", Loop.DownStates);

        var episode = "/v1/episodes/" + up.View.Text("episodeId");
        var chain = await stage.Api.Referral.Get(stage.Cast.Desk(up.Sender), episode, "to read the episode");
        var numbers = chain.Rows("referrals").Select(r => r.Inner("referral").Text("referralNo")).ToArray();
        if (!numbers.Contains(up.No) || !numbers.Contains(down.No))
            throw new WalkFailed($"The episode should hold {up.No} and {down.No}, but holds {string.Join(", ", numbers)}.");

        stage.Printer.Say($"  episode   {new Uri(stage.Api.Referral.Address, episode)} ({numbers.Length} referrals)");
        stage.Printer.Say($"  events    {evidence.Events} of {stage.Cases.Count} referrals; the outside log tells "
            + string.Join(", ", evidence.Logged.Select(l => $"{l.Key} {l.Value}")) + ", each once and in order");
        stage.Printer.Say($"  webhooks  {evidence.Webhooks} expected, {stage.Receiver.Verified} arrived with a valid signature and in order"
            + (stage.Receiver.Repeated > 0 ? $", {stage.Receiver.Repeated} of them more than once" : ""));
        stage.Printer.Say($"  walked in {stage.Printer.SinceStart.TotalSeconds:0.0} s");

        async Task PrintStates(Case referral, string outcome, string[] expected)
        {
            var passed = await evidence.StatesOf(referral);
            Evidence.CheckStates(referral, passed, expected);
            stage.Printer.Say($"  {referral.No} {referral.Arrow} {string.Join(" → ", passed)} ({outcome})");
        }
    }
}
