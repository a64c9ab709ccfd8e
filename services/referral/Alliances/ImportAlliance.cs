using Dapper;
using Npgsql;
using ReferralService.Patients;

namespace ReferralService.Alliances;

/// <summary>
/// Loads a folder of CSV files into the directory: institutions, departments, clinicians, alliances, memberships,
/// contracts, standing agreements, reason codes and diagnoses. The same folder twice changes nothing.
/// </summary>
internal sealed class ImportAlliance(NpgsqlDataSource database, PatientKeys keys)
{
    /// <summary>All or nothing: a bad line stops it and names file and line.</summary>
    public async Task<int> Run(string folder)
    {
        await using var connection = await database.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var rows = 0;

        rows += await Load("institutions.csv", """
            insert into institution (code, name, level, type, ownership, region, grid, latitude, longitude, parent, services, phone, synthetic)
            values (@code, @name, @level, @type, @ownership, @region, @grid, @latitude, @longitude, @parent, @services, @phone, @synthetic)
            on conflict (code) do update set (name, level, type, ownership, region, grid, latitude, longitude, parent, services, phone, synthetic)
                = (excluded.name, excluded.level, excluded.type, excluded.ownership, excluded.region, excluded.grid, excluded.latitude,
                   excluded.longitude, excluded.parent, excluded.services, excluded.phone, excluded.synthetic)
            """, line =>
        {
            if (!CheckDigits.InstitutionCode(line["code"]!))
                throw new FormatException("the code's check character is wrong (GB 32100)");
            return new
            {
                code = line["code"], name = line["name"], level = line["level"], type = line["type"], ownership = line["ownership"],
                region = line["region"], grid = line["grid"], latitude = line.Number("latitude"), longitude = line.Number("longitude"),
                parent = line["parent"], services = line["services"]?.Split('|') ?? [], phone = line["phone"],
                synthetic = line["synthetic"] == "true",
            };
        });
        rows += await Load("departments.csv", """
            insert into department (institution, code, name, bookable) values (@institution, @code, @name, @bookable)
            on conflict (institution, code) do update set name = excluded.name, bookable = excluded.bookable
            """, line => new { institution = line["institution"], code = line["code"], name = line["name"], bookable = line["bookable"] == "true" });
        rows += await Load("clinicians.csv", """
            insert into clinician (id, institution, department, name, title, phone) values (@id, @institution, @department, @name, @title, @phone)
            on conflict (id) do update set (institution, department, name, title, phone)
                = (excluded.institution, excluded.department, excluded.name, excluded.title, excluded.phone)
            """, line => new { id = line["id"], institution = line["institution"], department = line["department"], name = line["name"], title = line["title"], phone = line["phone"] });
        rows += await Load("alliances.csv", """
            insert into alliance (id, name, form, tightness, lead) values (@id, @name, @form, @tightness, @lead)
            on conflict (id) do update set (name, form, tightness, lead) = (excluded.name, excluded.form, excluded.tightness, excluded.lead)
            """, line => new { id = line["id"], name = line["name"], form = line["form"], tightness = line["tightness"], lead = line["lead"] });
        rows += await Load("memberships.csv", """
            insert into membership (alliance, institution, since, until) values (@alliance, @institution, @since, @until)
            on conflict (alliance, institution, since) do update set until = excluded.until
            """, line => new { alliance = line["alliance"], institution = line["institution"], since = line.Day("from"), until = line.Day("until") });
        rows += await Load("contracts.csv", """
            insert into contract (id, patient_index, type, clinic, doctor, district, municipal, since, until)
            values (@id, @index, @type, @clinic, @doctor, @district, @municipal, @since, @until)
            on conflict (id) do update set (type, clinic, doctor, district, municipal, since, until)
                = (excluded.type, excluded.clinic, excluded.doctor, excluded.district, excluded.municipal, excluded.since, excluded.until)
            """, line => new
        {
            id = line["id"], index = keys.Index(new Identity(null, "0", null, null, null, null, null, null, IdType.ResidentId, line["patientIdNo"])),
            type = line["type"], clinic = line["clinic"], doctor = line["doctor"], district = line["district"], municipal = line["municipal"],
            since = line.Day("from"), until = line.Day("until"),
        });
        rows += await Load("standing-agreements.csv", """
            insert into standing_agreement (id, sender, receiver, green_channel, since, until) values (@id, @sender, @receiver, @channel, @since, @until)
            on conflict (id) do update set (sender, receiver, green_channel, since, until)
                = (excluded.sender, excluded.receiver, excluded.green_channel, excluded.since, excluded.until)
            """, line => new { id = line["id"], sender = line.Unless("sender", "*"), receiver = line["receiver"], channel = line.Unless("greenChannel", "*"), since = line.Day("from"), until = line.Day("until") });
        rows += await Load("reason-codes.csv", """
            insert into reason_code (list, code, side, text_required, name_zh, name_en) values (@list, @code, @side, @required, @zh, @en)
            on conflict (list, code) do update set (side, text_required, name_zh, name_en)
                = (excluded.side, excluded.text_required, excluded.name_zh, excluded.name_en)
            """, line => new { list = line["list"], code = line["code"], side = line["side"], required = line["textRequired"] == "true", zh = line["nameZh"], en = line["nameEn"] });
        rows += await Load("diagnoses.csv", """
            insert into diagnosis (system, version, code, text_zh, diagnosis_group, sensitive) values (@system, @version, @code, @text, @group, @sensitive)
            on conflict (system, version, code) do update set (text_zh, diagnosis_group, sensitive)
                = (excluded.text_zh, excluded.diagnosis_group, excluded.sensitive)
            """, line => new { system = line["system"], version = line["version"], code = line["code"], text = line["textZh"], group = line["group"], sensitive = line["sensitive"] == "true" });

        await connection.ExecuteAsync("update directory_version set number = number + 1", transaction: transaction);
        await transaction.CommitAsync();
        return rows;

        async Task<int> Load(string file, string sql, Func<CsvLine, object> parameters)
        {
            var path = Path.Combine(folder, file);
            if (!File.Exists(path))
                return 0;
            var lines = Csv.Read(await File.ReadAllTextAsync(path)).ToArray();
            foreach (var line in lines)
            {
                try
                {
                    await connection.ExecuteAsync(sql, parameters(line), transaction);
                }
                catch (Exception e) when (e is FormatException or KeyNotFoundException)
                {
                    throw new FormatException($"{file} line {line.LineNo}: {e.Message}", e);
                }
            }
            return lines.Length;
        }
    }
}
