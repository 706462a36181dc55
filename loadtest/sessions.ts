import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { currency, integer } from "../entities/fields.ts";
import { openStore } from "../entities/open-store.ts";
import { createSession } from "../entities/sessions.ts";
import { defineApp } from "../rooms/define-app.ts";

const HELP = `How long the creation of a large session takes, with groups of four, on SQLite or on DATABASE_URL.

  npm run bench-sessions -- [--participants 1000] [--rounds 20]
`;
/** Of the whole creation, in milliseconds. */
const LIMIT = 5_000;

const { values } = parseArgs({
  options: {
    participants: { type: "string", default: "1000" },
    rounds: { type: "string", default: "20" },
    help: { type: "boolean", default: false },
  },
});

/** Two apps: one as it is defined, one whose creatingSession mixes the groups and sets fields in every round. */
function apps(rounds: number) {
  const plain = defineApp({
    name: "bench_plain",
    playersPerGroup: 4,
    rounds,
    player: { given: currency({ initial: 1 }) },
  });
  plain.page("Play");
  const mixed = defineApp({
    name: "bench_mixed",
    playersPerGroup: 4,
    rounds,
    subsession: { price: integer() },
    player: { given: currency({ initial: 1 }) },
  });
  mixed.page("Play");
  mixed.creatingSession((subsession) => {
    subsession.groupRandomly();
    subsession.price = subsession.roundNumber;
    for (const player of subsession.getPlayers()) player.given = player.participant.idInSession;
  });
  return [plain.spec, mixed.spec];
}

async function run(): Promise<boolean> {
  const [participants, rounds] = [Number(values.participants), Number(values.rounds)];
  const directory = mkdtempSync(join(tmpdir(), "walras-bench-"));
  const specs = apps(rounds);
  const place = process.env.DATABASE_URL ? { databaseUrl: process.env.DATABASE_URL } : { file: join(directory, "db") };
  const store = await openStore({ ...place, apps: specs });
  let good = true;
  try {
    for (const app of specs) {
      const options = { participants, isDemo: false, now: Date.now(), decimals: 2, apps: new Map([[app.name, app]]) };
      const config = { name: app.name, appSequence: [app.name] };
      const begin = performance.now();
      await store.transact((write) => createSession(write, { ...options, config }));
      const ms = performance.now() - begin;
      good &&= ms < LIMIT;
      console.log(
        `${app.name}: ${participants} participants, ${rounds} rounds on ${store.dialect}: ${(ms / 1000).toFixed(2)} s`,
      );
    }
  } finally {
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  }
  return good;
}

if (values.help) console.log(HELP);
else if (!(await run())) process.exitCode = 1;
