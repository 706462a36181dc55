/** `npm run chaos`: docs/chaos.md says what it does. */
import { chaos } from "./chaos.ts";
import { check } from "./checker.ts";
import { readCommand, report } from "./command.ts";

const options = readCommand("chaos", { kills: 20, seconds: 90, groups: 20 });
const { seed, database, directory } = options;
const result = await chaos(options);
const { figures, findings, ...counts } = check(result.history);
const { kill = 0, ...did } = result.did;
const { moneyWrong, ...bad } = figures;
// A run in which nothing happened shows nothing.
const isGood = findings.length === 0 && result.crashes === 0 && counts.acknowledged > 0 && counts.effects > 0;
const line = {
  ...counts,
  ...bad,
  moneyConserved: moneyWrong === 0,
  crashes: result.crashes,
  killsSurvived: kill,
  recoveryMedianMs: Math.round(result.recovery[result.recovery.length >> 1] ?? 0),
  recoveryWorstMs: Math.round(result.recovery.at(-1) ?? 0),
  did,
  seed,
  database,
};
report({ isGood, line, directory, findings, history: { options, history: result.history } });
