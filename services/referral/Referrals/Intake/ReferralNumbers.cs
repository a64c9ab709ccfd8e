using Npgsql;
using Referrals.Contracts;

namespace ReferralService.Referrals.Intake;

/// <summary>
/// Numbers for people to write and say: U (up) or D (down), the day, a running number and a check digit (Luhn).
/// Taken from the database in blocks; a block lost in a crash leaves a harmless gap.
/// </summary>
internal sealed class ReferralNumbers(NpgsqlDataSource database)
{
    private const int Block = 100;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private long _next, _end;

    public async Task<string> Next(Direction direction, DateTimeOffset now)
    {
        long number;
        await _gate.WaitAsync();
        try
        {
            if (_next == _end)
            {
                await using var command = database.CreateCommand("select nextval('referral_number')");
                _next = (long)(await command.ExecuteScalarAsync())! * Block;
                _end = _next + Block;
            }
            number = _next++;
        }
        finally
        {
            _gate.Release();
        }
        var digits = $"{ChinaTime.DayOf(now):yyMMdd}{number:00000000}";
        return (direction == Direction.Up ? "U" : "D") + digits + Luhn(digits);
    }

    private static char Luhn(string digits)
    {
        var sum = 0;
        for (var i = 0; i < digits.Length; i++)
        {
            var d = digits[^(i + 1)] - '0';
            if (i % 2 == 0)
                d = d * 2 > 9 ? d * 2 - 9 : d * 2;
            sum += d;
        }
        return (char)('0' + (10 - sum % 10) % 10);
    }
}
