/** A process of players: the load that one core can make. Started by loadtest/run.ts. */
import { performance } from "node:perf_hooks";
import { codeOf, messageOf } from "../../client-sdk/errors.ts";
import { loadBots } from "../../server/bots-project.ts";
import { answer } from "../control.ts";
import { Target } from "../target.ts";
import { Players, type PlayersOptions } from "./players.ts";
import type { TallySample } from "./tally.ts";

/** What has happened since the sample before. */
export interface PlayersSample extends TallySample {
  /** Milliseconds. */
  time: number;
  /** Participants whose first page is open, or who could not come in; over the whole run. */
  admitted: number;
  failedToEnter: number;
  /** Participants who are playing, and those who have come to the end of their script, over the whole run. */
  playing: number;
  finished: number;
  /** Milliseconds of CPU time. */
  cpu: number;
  /** Share of one core that this process used, or of the time that its loop was occupied if that is more. */
  busy: number;
}

export interface PlayersCommands {
  /** Opens the links of all groups' first sessions. Resolves when everybody is in, or could not come in. */
  admit(links: string[][]): Promise<void>;
  /** Lets the scripts begin. Resolves when they have ended, or {@link stop} has ended them. */
  play(seconds: number): Promise<void>;
  /** No more turns and no more sessions. @param quick also without the last check and without waiting for scripts */
  stop(quick: boolean): void;
  sample(): PlayersSample;
}

const options = JSON.parse(process.argv[2] ?? "{}") as PlayersOptions;
const bots = await loadBots(options.root, options.apps);
const players = new Players(options, bots, new Target(options.place));

// One bot's mistake must not end everybody's load.
process.on("unhandledRejection", (error) => {
  players.tally.error("bot", codeOf(error), `A promise was rejected and nobody awaited it: ${messageOf(error)}`);
});
process.on("uncaughtException", (error) => {
  players.tally.error("bot", codeOf(error), `An error was thrown outside of the script: ${messageOf(error)}`);
});

let mark = now();

function now() {
  const { user, system } = process.cpuUsage();
  return { time: performance.now(), cpu: (user + system) / 1000, loop: performance.eventLoopUtilization() };
}

answer({
  admit: (links) => players.admit(links),
  play: (seconds) => players.play(seconds),
  stop: (quick) => players.stop(quick),
  sample() {
    const { time, cpu, loop } = now();
    const elapsed = time - mark.time;
    const { utilization } = performance.eventLoopUtilization(loop, mark.loop);
    const used = cpu - mark.cpu;
    const busy = Math.min(1, Math.max(used / elapsed, utilization));
    mark = { time, cpu, loop };
    const { admitted, failedToEnter, playing, finished } = players;
    return { ...players.sample(), time: elapsed, admitted, failedToEnter, playing, finished, cpu: used, busy };
  },
} satisfies PlayersCommands);
