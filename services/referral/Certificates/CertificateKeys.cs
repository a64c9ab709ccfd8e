using Npgsql;
using ServiceDefaults;

namespace ReferralService.Certificates;

/// <summary>The keys that certificates are signed with.</summary>
internal sealed class CertificateKeys(NpgsqlDataSource database, Keys keys, TimeProvider clock) : SigningKeys(database, keys, clock, "certificate_key");
