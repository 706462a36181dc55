/** The thread in which bots play, so that a script that holds the CPU can be ended from outside; see bots-thread.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import type { BotsThreadData, BotsThreadMessage } from "./bots-thread.ts";
import { playBots } from "./play-bots.ts";

const { job, shared }: BotsThreadData = workerData;
const beat = new Int32Array(shared);
const tell = (message: BotsThreadMessage) => parentPort?.postMessage(message);
const tick = (): void => {
  beat[0] = (beat[0] ?? 0) + 1;
};
tick();
const timer = setInterval(tick, 200);
try {
  const passed = await playBots(job, (text) => tell({ print: text }), {
    onResume(bot) {
      beat[1] = bot.participant;
    },
  });
  tell({ passed });
} catch (error) {
  tell({
    print: error instanceof WalrasError ? messageOf(error) : String(error instanceof Error ? error.stack : error),
  });
  tell({ passed: false });
}
clearInterval(timer);
