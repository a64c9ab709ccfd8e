using Npgsql;
using ServiceDefaults;

namespace ReferralService.Clients;

/// <summary>The keys that tokens of machine clients are signed with; a certificate is signed with others.</summary>
internal sealed class TokenKeys(NpgsqlDataSource database, Keys keys, TimeProvider clock) : SigningKeys(database, keys, clock, "token_key");
