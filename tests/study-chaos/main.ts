/** `npm run chaos-pages`: docs/chaos.md says what it does. */
import { readCommand, report, wrong } from "../chaos/command.ts";
import { FIGURES } from "./checker.ts";
import { PLAYERS } from "./project/apps/study/index.ts";
import { study, summary } from "./study.ts";

const options = readCommand("chaos-pages", { kills: 10, seconds: 60, participants: 40, servers: 1 });
const { seed, database, directory, participants, servers } = options;
if (participants === 0 || participants % PLAYERS !== 0) wrong(`--participants is a multiple of ${PLAYERS}.`);
if (servers !== 1 && servers !== 2) wrong("--servers is 1 or 2.");
if (servers === 2 && database === "sqlite") wrong("--servers 2 needs --database postgres: SQLite is for one process.");
const result = await study(options);
const { line, isGood } = summary(result, FIGURES);
const { findings, ...history } = result;
report({ isGood, line: { ...line, seed, database }, directory, findings, history: { options, ...history } });
