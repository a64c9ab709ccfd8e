using System.Text;
using ReferralDemo;

Console.OutputEncoding = new UTF8Encoding(false);
var (options, wrong) = Options.Read(args);
if (options is null)
{
    Console.Error.WriteLine(wrong);
    return 1;
}
try
{
    await Walk.Run(options, new Printer(Console.Out));
    return 0;
}
catch (WalkFailed e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
