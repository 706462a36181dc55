/**
 * `npm run streaming -- --groups 100 --seconds 10`: groups that stream a language model's answers, 50 tokens a
 * second each, and how long another page of the server takes to answer meanwhile. The model, the clients and the
 * server share one process, so that the figures are worse than a server's own.
 */
import { parseArgs } from "node:util";
import app from "../../apps/chat_stream/index.ts";
import { HeadlessParticipant } from "../../client-sdk/headless.ts";
import { defineApp, integer } from "../../index.ts";
import { FakeLlm } from "../helpers/fake-llm.ts";
import { TestGame } from "../helpers/game.ts";

const { values } = parseArgs({
  options: { groups: { type: "string", default: "100" }, seconds: { type: "string", default: "10" } },
});
const groups = Number(values.groups);
const seconds = Number(values.seconds);

const counting = defineApp({ name: "counting", player: { count: integer({ initial: 0 }) } });
counting.page("Count", {
  live(player) {
    player.count += 1;
  },
});

const llm = await FakeLlm.start({ tokens: 50 * seconds });
process.env.CHAT_STREAM_URL = llm.url;
const game = await TestGame.start([app, counting]);
try {
  let pieces = 0;
  const open = (code: string, onMessage = () => {}): Promise<HeadlessParticipant> =>
    HeadlessParticipant.open(`${game.base}/live/${code}`, { record: false, onMessage });
  const [counter] = await game.guests(["counting"], 1);
  const other = await open(counter?.code ?? "");
  const quiet = await latencies(other, 2);
  const guests = await game.guests(["chat_stream"], 2 * groups);
  const tabs = await Promise.all(guests.map(({ code }) => open(code, () => void pieces++)));
  const begun = performance.now();
  const asked = Promise.all(tabs.map((tab, index) => (index % 2 === 0 ? tab.call("ask", { text: "Go on." }) : null)));
  const busy = await latencies(other, seconds - 1);
  await asked;
  const ms = performance.now() - begun;
  console.log(JSON.stringify({ groups, seconds: ms / 1000, deliveriesPerSecond: (pieces / ms) * 1000, quiet, busy }));
  for (const tab of [...tabs, other]) tab.close();
} finally {
  await game.stop();
  await llm.stop();
}

/** Round trips of a message to another group, one every 10 ms, in milliseconds. */
async function latencies(tab: HeadlessParticipant, forSeconds: number) {
  const took: number[] = [];
  for (const end = performance.now() + forSeconds * 1000; performance.now() < end; ) {
    const sent = performance.now();
    await tab.send({});
    took.push(performance.now() - sent);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  took.sort((a, b) => a - b);
  const at = (part: number): number => took[Math.floor(part * (took.length - 1))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1), samples: took.length };
}
