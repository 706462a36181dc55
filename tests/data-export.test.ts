import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { inflateRawSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { parse } from "csv-parse/sync";
import { HeadlessParticipant } from "../client-sdk/headless.ts";
import { exportCommand } from "../server/export/command.ts";
import { ask, makeSession, startTestServer, type TestServer } from "./helpers/http.ts";
import { startPostgres, type TestPostgres } from "./helpers/postgres.ts";

const PROJECT = join(import.meta.dirname, "helpers/data-project");
/** What CSV, spreadsheets and JSON each trip over. */
const STORY = `=SUM(1;2)\nshe said "no, thanks",\r\n\tünïcode 🙂; '' \\ ${"x".repeat(40_000)}`;

type Row = Record<string, string>;

let postgres: TestPostgres;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "walras-export-test-"));
  postgres = await startPostgres();
});
afterAll(async () => {
  await postgres.stop();
  rmSync(folder, { recursive: true });
});

describe.each(["sqlite", "postgres"])("exports from %s", (dialect) => {
  let server: TestServer;
  let code: string;
  let codes: string[];
  let database: { databaseUrl?: string; file?: string };

  beforeAll(async () => {
    const file = join(folder, `${dialect}.sqlite3`);
    database = dialect === "sqlite" ? { file } : { databaseUrl: await postgres.database() };
    const env: Record<string, string> =
      database.databaseUrl === undefined ? { WALRAS_DB: file } : { DATABASE_URL: database.databaseUrl };
    server = await startTestServer(env, PROJECT);
    ({ code, participants: codes } = await makeSession(server.base, "trade"));
    await makeSession(server.base, "trade");
    await makeSession(server.base, "trade_fee");
    const everybody = await Promise.all(
      codes.map((one) => HeadlessParticipant.open(`${server.base}/InitializeParticipant/${one}`)),
    );
    const [first, second] = everybody;
    if (first === undefined || second === undefined) throw new Error("the session has no participants");
    await first.send({ amount: 2.25, story: STORY });
    await second.send({ amount: 3 });
    await first.submit();
    await first.submit();
    await first.send({ amount: 4 });
    for (const participant of everybody) participant.close();
  });
  afterAll(() => server.stop());

  async function table(what: string, more = ""): Promise<Row[]> {
    const answer = await ask(`${server.base}/export/file?what=${encodeURIComponent(what)}${more}`);
    expect([answer.status, answer.headers["content-type"]]).toEqual([200, "text/csv; charset=utf-8"]);
    return parse(answer.text, { columns: true });
  }

  test("all apps: a row per participant, with oTree's columns in oTree's order", async () => {
    const answer = await ask(`${server.base}/export/file?what=wide`);
    const [header, ...rows] = parse(answer.text) as string[][];
    expect(header).toEqual([
      ...["id_in_session", "code", "label", "_is_bot", "_index_in_pages", "_max_page_index", "_current_app_name"].map(
        (name) => `participant.${name}`,
      ),
      ...[
        "_current_page_name",
        "time_started_utc",
        "visited",
        "mturk_worker_id",
        "mturk_assignment_id",
        "payoff",
        "entry",
        "status",
        "replaced_utc",
        "treatment",
      ].map((name) => `participant.${name}`),
      ...["code", "label", "mturk_HITId", "mturk_HITGroupId", "comment", "is_demo"].map((name) => `session.${name}`),
      ...["name", "real_world_currency_per_point", "participation_fee", "nested", "stake"].map(
        (name) => `session.config.${name}`,
      ),
      "session.price",
      ...[1, 2].flatMap((round) =>
        [
          ...["player.id_in_group", "player.role", "player.payoff", "player.age", "player.share", "player.is_happy"],
          ...["player.color", "player.story", "player.picks", "player.sold_at"],
          ...["group.id_in_subsession", "group.price"],
          ...["subsession.round_number", "subsession.season", "subsession.tax"],
        ].map((name) => `trade.${round}.${name}`),
      ),
    ]);
    expect(rows).toHaveLength(10);
    const all = await table("wide");
    const [first] = all;
    expect(all.at(-1)).toMatchObject({
      "session.config.name": "trade_fee",
      "session.config.real_world_currency_per_point": "1",
      "session.config.participation_fee": "5",
      "session.config.nested": "",
      "session.config.stake": 'high, "very"',
      "participant.visited": "0",
      "trade.2.player.payoff": "0",
    });
    expect(first).toMatchObject({
      "participant.id_in_session": "1",
      "participant.code": codes[0],
      "participant._index_in_pages": "3",
      "participant._current_page_name": "Market",
      "participant.visited": "1",
      "participant.payoff": "3",
      "participant.treatment": "odd",
      "session.price": "7",
      "trade.1.player.role": "Buyer",
      "session.code": code,
      "session.is_demo": "1",
      "session.config.nested": '{"a":[1]}',
      "trade.1.player.payoff": "1.5",
      "trade.1.group.price": "3",
      "trade.2.group.price": "4",
      "trade.2.player.age": "",
      "trade.1.subsession.season": "dry",
      "trade.2.subsession.season": "wet",
      "trade.2.subsession.tax": "0.5",
    });
  });

  test("values are exact: all digits, line breaks and quotes kept, true as 1, nothing as empty", async () => {
    const [first, second] = await table("app/trade");
    expect(first).toMatchObject({
      "player.share": "0.30000000000000004",
      "player.is_happy": "1",
      "player.color": "r",
      "player.story": STORY,
      "player.picks": "[1,2]",
    });
    expect(second?.["player.story"]).toBe("");
  });

  test("for spreadsheets, texts that begin like a formula get a quote before them, numbers do not", async () => {
    const answer = await ask(`${server.base}/export/file?what=app%2Ftrade&spreadsheet=1`);
    expect(answer.text.startsWith("\ufeff")).toBe(true);
    const [first] = parse(answer.text, { columns: true, bom: true }) as Row[];
    expect(first?.["player.story"]).toBe(`'${STORY}`);
    expect(first?.["player.share"]).toBe("0.30000000000000004");
  });

  test("JSON holds numbers, truth values and JSON fields as such", async () => {
    const answer = await ask(`${server.base}/export/file?what=app%2Ftrade&format=json`);
    expect(answer.headers["content-type"]).toMatch("application/json");
    const [first, second] = JSON.parse(answer.text);
    expect(first).toMatchObject({ "player.is_happy": true, "player.picks": [1, 2], "player.story": STORY });
    expect(second["player.age"]).toBeNull();
  });

  test("an extra model names the people that its links mean", async () => {
    expect(await table("trade/Trade")).toMatchObject([
      {
        "buyer.participant_code": codes[0],
        "seller.participant_code": codes[1],
        "buyer.id_in_group": "1",
        amount: "2.25",
      },
      { "buyer.participant_code": codes[1], "seller.id_in_group": "1", amount: "3" },
      { "buyer.participant_code": codes[0], "subsession.round_number": "2", amount: "4", n: "1" },
    ]);
  });

  test("an app's own export gets one group after the other, and can read all of it", async () => {
    const rows = await table("trade/custom/trades");
    expect(rows).toMatchObject([
      { session: code, round: "1", buyer: codes[0], amount: "2.25", detail: '{"n":1}' },
      { session: code, round: "1", buyer: codes[1], amount: "3" },
      { session: code, round: "2", buyer: codes[0], amount: "4" },
    ]);
  });

  test("the journal has every message with its time in milliseconds", async () => {
    const rows = await table("journal");
    const messages = rows.filter((row) => row.kind === "message");
    expect(messages.map((row) => JSON.parse(row.input ?? "").amount)).toEqual([2.25, 3, 4]);
    expect(messages.map((row) => [row.round_number, row.group_id_in_subsession])).toEqual([
      ["1", "1"],
      ["1", "1"],
      ["2", "1"],
    ]);
    expect(messages[0]).toMatchObject({ participant_code: codes[0], page: "trade/1/Market", session_code: code });
    for (const { at, time_utc } of messages) {
      expect(new Date(`${time_utc?.replace(" ", "T")}Z`).getTime()).toBe(Number(at));
    }
  });

  test("page times have a row for every page that a participant left, from the start link on", async () => {
    const rows = (await table("page_times")).filter((row) => row.participant_code === codes[0]);
    expect(rows.map((row) => [row.page_index, row.page_name, row.round_number])).toEqual([
      ["0", "InitializeParticipant", ""],
      ["1", "Market", "1"],
      ["2", "Results", "1"],
    ]);
    expect(Object.keys(rows[0] ?? {}).join()).toBe(
      "session_code,participant_id_in_session,participant_code,page_index,app_name,page_name,epoch_time_completed,round_number,timeout_happened,is_wait_page",
    );
  });

  test("one session's data, and no other's", async () => {
    for (const what of ["wide", "app/trade", "trade/Trade", "journal", "page_times"]) {
      const all = await table(what, `&session=${code}`);
      expect(new Set(all.map((row) => row["session.code"] ?? row.session_code))).toEqual(new Set([code]));
    }
    expect(await table("wide", `&session=${code}`)).toHaveLength(4);
  });

  test("sessions have a row each, with their parameters as they were when they were made", async () => {
    const rows = await table("sessions");
    expect(rows.map((row) => [row.session_code, row.participants, row.started, row.finished])).toEqual([
      [code, "4", "4", "0"],
      [expect.any(String), "4", "0", "0"],
      [expect.any(String), "2", "0", "0"],
    ]);
    expect(rows[2]).toMatchObject({ config_name: "trade_fee", display_name: "Trade, with a fee", is_demo: "1" });
    expect(JSON.parse(rows[2]?.config ?? "")).toMatchObject({ participationFee: 5, appSequence: ["trade"] });
    expect(rows[2]?.created_utc).toMatch(/^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/);
  });

  test("bots are told from people, of demo sessions only", async () => {
    const demo = await makeSession(server.base, "trade_fee");
    await ask(`${server.base}/InitializeParticipant/${demo.participants[0]}?walras_bot=1`);
    const made = await ask(`${server.base}/create_session`, { form: { config: "trade_fee", participants: "2" } });
    const real = made.location.replace("/SessionStartLinks/", "");
    const links = await ask(`${server.base}${made.location}`);
    const link = /\/InitializeParticipant\/[\w-]+/.exec(links.text)?.[0];
    await ask(`${server.base}${link}?walras_bot=1`);
    const rows = await table("wide");
    const isBot = (session: string) =>
      rows.flatMap((row) => (row["session.code"] === session ? [row["participant._is_bot"]] : []));
    expect([isBot(demo.code), isBot(real)]).toEqual([
      ["1", "0"],
      ["0", "0"],
    ]);
  });

  test("the archive has everything, says what each column is, and its checksums hold", async () => {
    const out = join(folder, `${dialect}.zip`);
    await exportCommand(PROJECT, database, ["all", "--session", code, "--out", out], () => {});
    const files = unzip(readFileSync(out));
    expect([...files.keys()]).toEqual([
      ...["all_apps_wide.csv", "trade.csv", "trade_trades.csv", "trade_Trade.csv", "sessions.csv"],
      ...["payments.csv", "PageTimes.csv", "ChatMessages.csv", "journal.csv"],
      ...["data_dictionary.csv", "apps.json", "versions.json", "README.txt", "SHA256SUMS"],
    ]);
    const sums = String(files.get("SHA256SUMS")).trim().split("\n");
    expect(sums).toHaveLength(files.size - 1);
    for (const line of sums) {
      const [sum, name = ""] = line.split("  ");
      expect([
        name,
        createHash("sha256")
          .update(files.get(name) ?? "")
          .digest("hex"),
      ]).toEqual([name, sum]);
    }
    const words: Row[] = parse(files.get("data_dictionary.csv") ?? "", { columns: true });
    expect(words.find((row) => row.column === "player.color")).toMatchObject({
      app: "trade",
      choices: "r = Red; blue",
    });
    expect(words.find((row) => row.column === "player.share")).toMatchObject({ unit: "kg" });
    expect(words.find((row) => row.column === "subsession.tax")).toMatchObject({ app: "trade", unit: "EUR" });
    expect(words.find((row) => row.column === "trade.2.subsession.season")).toMatchObject({
      ...{ app: "trade", meaning: "part of the year", round: "2", type: "text" },
    });
    expect(words.find((row) => row.column === "trade.2.group.price")).toMatchObject({
      ...{ unit: "EUR", meaning: "price of the last trade", round: "2" },
    });
    expect(words.find((row) => row.column === "player.age")).toMatchObject({ meaning: "How old are you?", min: "0" });
    // A stranger need not ask: everything has a type, a meaning, and what belongs to an app names it.
    for (const row of words) {
      expect([row.file, row.column, row.type, row.meaning]).toEqual([
        row.file,
        row.column,
        expect.stringMatching(/./),
        expect.stringMatching(/\w+ \w+/),
      ]);
      if (/(^|\.)(player|group)\./.test(row.column ?? "")) expect([row.column, row.app]).toEqual([row.column, "trade"]);
      if (row.type === "number" && /price|payoff|amount/.test(row.column ?? "")) expect(row.unit).toBe("EUR");
    }
    const readme = String(files.get("README.txt"));
    for (const name of files.keys()) if (name !== "README.txt") expect(readme).toContain(name);
    expect(readme).toMatch(/^ {2}trade +Trade$/m);
    expect(readme).toMatch(/^ {2}all_apps_wide\.csv +One row per participant.* 4 rows\.$/m);
    const columns = new Set(words.map((row) => `${row.file} ${row.column}`));
    for (const [name, content] of files) {
      if (!name.endsWith(".csv")) continue;
      const [header = []]: string[][] = parse(content, { to_line: 1 });
      for (const column of header) expect(columns).toContain(`${name} ${column}`);
    }
    const [trade] = JSON.parse(String(files.get("apps.json")));
    expect(trade).toMatchObject({ name: "trade", playersPerGroup: 2, rounds: 2, roles: ["Buyer", "Seller"] });
    expect(trade).toMatchObject({ constants: { factor: 2 }, pages: ["Market", "Results"] });
    const { ran } = JSON.parse(String(files.get("versions.json")));
    expect(ran[0]).toMatchObject({ node: process.versions.node });
  });

  test("the data page prepares a file, shows how far it is, and gives it whole", async () => {
    const page = await ask(`${server.base}/export?session=${code}`);
    expect(page.text).toContain("trade_Trade.csv");
    const { location } = await ask(`${server.base}/export`, { form: { what: "wide", format: "csv", session: code } });
    let progress = await ask(server.base + location);
    while (progress.text.includes("http-equiv") && !progress.text.includes("/download")) {
      await new Promise((done) => setTimeout(done, 50));
      progress = await ask(server.base + location);
    }
    const file = await ask(`${server.base}${location}/download`);
    expect(file.headers["content-disposition"]).toMatch(
      /attachment; filename="all_apps_wide_\w+_\d{4}-\d\d-\d\d\.csv"/,
    );
    expect(parse(file.text, { columns: true })).toHaveLength(4);
  });

  test("oTree's addresses lead to the same data", async () => {
    const location = async (path: string) => (await ask(server.base + path)).location;
    expect(await location(`/ExportSessionWide/${code}`)).toBe(`/export/file?what=wide&session=${code}`);
    expect(await location(`/ExportSessionWide/${code}?excel=1`)).toBe(
      `/export/file?what=wide&session=${code}&spreadsheet=1`,
    );
    expect(await location("/ExportPageTimes")).toBe("/export/file?what=page_times");
    expect(await location("/")).toBe("/demo");
  });

  test("what does not exist is refused with what does", async () => {
    const wrong = async (query: string) => {
      const { status, text } = await ask(`${server.base}/export/file?${query}`);
      return `${status} ${/role="alert"><p>([^<]*)/.exec(text)?.[1]}`;
    };
    expect(await wrong("what=app%2Ftrde")).toMatch(/^404 There is no data set app\/trde. Did you mean app\/trade\?/);
    expect(await wrong("what=trade")).toMatch(/^404 There is no data set trade. Did you mean app\/trade\?/);
    expect(await wrong("what=wide&session=nobody")).toMatch(/^404 There is no session nobody/);
    expect(await wrong("what=wide&format=xml")).toMatch(/^404 There is no format xml/);
    expect((await ask(`${server.base}/export`, { form: { what: "no" } })).status).toBe(404);
  });
});

describe.each(["sqlite", "postgres"])("when the project has changed since, on %s", (dialect) => {
  const root = join(import.meta.dirname, "..");
  let database: { databaseUrl?: string; file?: string };
  let env: Record<string, string>;
  let before: string;
  /** A project with these apps, each of a page and a payoff. */
  function project(apps: Record<string, string>, more = ""): string {
    mkdirSync(join(root, "tmp"), { recursive: true });
    const path = mkdtempSync(join(root, "tmp", "changed-"));
    const names = Object.keys(apps);
    const config = { name: "s", appSequence: names, numDemoParticipants: 1 };
    writeFileSync(
      join(path, "walras.config.ts"),
      `import { defineConfig } from "walras";\nexport default defineConfig({ sessionConfigs: [${JSON.stringify(config)}] });`,
    );
    for (const [name, fields] of Object.entries(apps)) {
      mkdirSync(join(path, "apps", name), { recursive: true });
      writeFileSync(
        join(path, "apps", name, "index.ts"),
        `import { defineApp, integer } from "walras";
const app = defineApp({ name: "${name}", player: { ${fields} } });
app.page("Only", { beforeNextPage(player) { player.payoff = 7; } });
${more}
export default app;`,
      );
      writeFileSync(join(path, "apps", name, "Only.html"), "{{ block content }}{{ next_button }}{{ endblock }}");
    }
    return path;
  }

  beforeAll(async () => {
    database =
      dialect === "sqlite" ? { file: join(folder, "changed.sqlite3") } : { databaseUrl: await postgres.database() };
    env = { WALRAS_DB: database.file ?? "", DATABASE_URL: database.databaseUrl ?? "" };
    before = project({ stays: "", goes: "" });
    const server = await startTestServer(env, before);
    const { participants } = await makeSession(server.base, "s");
    let url = (await ask(`${server.base}/InitializeParticipant/${participants[0]}`)).location;
    for (let page = 0; page < 2; page++) url = (await ask(server.base + url, { form: {} })).location;
    await server.stop();
  });

  async function exported(apps: Record<string, string>): Promise<{ said: string[]; rows: Row[]; readme: string }> {
    const path = project(apps);
    const said: string[] = [];
    try {
      const out = join(folder, "changed.zip");
      await exportCommand(path, database, ["all", "--out", out], (line) => said.push(line));
      const files = unzip(readFileSync(out));
      const rows: Row[] = parse(files.get("all_apps_wide.csv") ?? "", { columns: true });
      return { said, rows, readme: String(files.get("README.txt")) };
    } finally {
      rmSync(path, { recursive: true });
    }
  }
  afterAll(() => rmSync(before, { recursive: true }));

  test("an app that is no longer there is named, and its payoffs still count", async () => {
    const { said, rows, readme } = await exported({ stays: "" });
    expect(said.at(-1)).toMatch(/^Sessions have played goes, which apps\/ no longer has/);
    expect(readme).toContain(said.at(-1));
    expect(rows).toMatchObject([{ "participant.payoff": "14", "stays.1.player.payoff": "7" }]);
    expect(Object.keys(rows[0] ?? {}).filter((name) => name.startsWith("goes"))).toEqual([]);
    const path = project({ stays: "" });
    const server = await startTestServer(env, path);
    try {
      const [session] = await server.game.store.read.sessions(1);
      const { text } = await ask(`${server.base}/SessionPayments/${session?.code}`);
      expect(text).toMatch(/Total payments<\/th>\s*<th class="amount">14\.00/);
    } finally {
      await server.stop();
      rmSync(path, { recursive: true });
    }
  });

  test("an app's own export that fails is named with its place, alone and in the archive, and leaves no file", async () => {
    const path = project(
      { stays: "", goes: "" },
      'app.customExport("broken", { columns: ["a"], *rows(group) { yield [(group.getPlayers()[7] as { id: number }).id]; } });',
    );
    try {
      for (const what of ["stays/custom/broken", "all"]) {
        const out = join(folder, "broken.out");
        const failed = exportCommand(path, database, [what, "--out", out], () => {});
        await expect(failed).rejects.toThrow(
          /^(stays|goes): export broken failed: .*'id'.*\(apps\/(stays|goes)\/index\.ts:\d+\)$/,
        );
        expect([what, existsSync(out), existsSync(`${out}.partial`)]).toEqual([what, false, false]);
      }
    } finally {
      rmSync(path, { recursive: true });
    }
  });

  test("an app and a field that are new have no values yet; a field needs one start of the server first", async () => {
    const { said, rows } = await exported({ stays: "", goes: "" });
    expect(said).toHaveLength(1);
    expect(rows).toMatchObject([{ "goes.1.player.payoff": "7" }]);
    await expect(exported({ stays: "age: integer()", goes: "" })).rejects.toThrow(
      /stays_player.*Start the server once/s,
    );
  });
});

test("a table that is larger than the process's memory is exported whole", async () => {
  const file = join(folder, "large.sqlite3");
  const server = await startTestServer({ WALRAS_DB: file }, PROJECT);
  const { code } = await makeSession(server.base, "trade");
  await server.stop();
  const ROWS = 25_000;
  const database = new DatabaseSync(file);
  database.exec(`
    with recursive i(n) as (select 1 union all select n + 1 from i where n < ${ROWS})
    insert into journal (actor_id, seq, at, kind, input, writer, batch)
    select (select min(id) from actor), n, 1700000000000 + n, 'timer', '"${"large ".repeat(700)}"', 'w', 'b' from i`);
  database.close();
  const out = join(folder, "large.csv");
  const command = JSON.stringify(join(import.meta.dirname, "../server/export/command.ts"));
  const script = `const { exportCommand } = await import(${command});
    await exportCommand(${JSON.stringify(PROJECT)}, { file: ${JSON.stringify(file)} }, ["journal", "--session", "${code}", "--out", ${JSON.stringify(out)}]);`;
  const run = spawnSync(
    process.execPath,
    ["--no-warnings", "--max-old-space-size=64", "--input-type=module", "-e", script],
    { encoding: "utf8" },
  );
  expect([run.status, run.stdout, run.stderr]).toEqual([0, `Wrote ${ROWS} rows to ${out}\n`, ""]);
  expect(statSync(out).size).toBeGreaterThan(90e6);
});

test("the command line writes under the file's name only what is whole, and says what is wrong", async () => {
  const run = (...args: string[]) =>
    new Promise<{ code: number | null; output: string }>((resolve) => {
      const main = join(import.meta.dirname, "../server/main.js");
      const child = spawn(process.execPath, [main, "cli", "export", ...args], {
        cwd: folder,
        env: { PATH: process.env.PATH, WALRAS_DB: join(folder, "nothing.sqlite3") },
      });
      let output = "";
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
      child.once("close", (code) => resolve({ code, output }));
    });
  const before = readdirSync(folder);
  const missing = await run("wide");
  expect(missing.code).toBe(1);
  expect(missing.output).toMatch(/There is no database .*nothing\.sqlite3 yet/);
  const wrong = await run("wide", "--fromat", "csv");
  expect(wrong).toMatchObject({
    code: 1,
    output: expect.stringMatching(/--fromat.*Use it so: npm run walras -- export/s),
  });
  for (const out of [join(folder, "nowhere", "x.csv"), folder]) {
    const refused = await run("wide", "--out", out);
    expect(refused).toMatchObject({ code: 1, output: expect.stringContaining(`${out} cannot be written: `) });
    expect(refused.output).not.toContain("    at ");
  }
  expect(readdirSync(folder)).toEqual(before);
});

/** The files of a ZIP archive by name, in its order, from its central directory. */
function unzip(bytes: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  const end = bytes.lastIndexOf("PK\x05\x06", undefined, "latin1");
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left--) {
    const size = bytes.readUInt32LE(at + 20);
    const [name, extra, comment] = [28, 30, 32].map((offset) => bytes.readUInt16LE(at + offset)) as [
      number,
      number,
      number,
    ];
    const start = bytes.readUInt32LE(at + 42);
    const data = start + 30 + bytes.readUInt16LE(start + 26) + bytes.readUInt16LE(start + 28);
    const content = bytes.subarray(data, data + size);
    const method = bytes.readUInt16LE(at + 10);
    files.set(bytes.toString("utf8", at + 46, at + 46 + name), method === 0 ? content : inflateRawSync(content));
    at += 46 + name + extra + comment;
  }
  return files;
}
