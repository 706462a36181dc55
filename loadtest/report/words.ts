import { amount, count, percent, seconds, time } from "./format.ts";
import { BUSY_LIMIT, type LoadReport, OTHERS_LIMIT } from "./report.ts";

/** What went wrong: with any of these the run was not good. */
export function troublesOf({ counts, errors, admission, settings, interrupted, latency, load }: LoadReport): string[] {
  const troubles: string[] = [];
  const failed = errors.filter(({ kind }) => kind === "bot").reduce((sum, error) => sum + error.count, 0);
  if (failed > 0) troubles.push(`${count(failed, "bot")} failed.`);
  const closed = errors.filter(({ kind }) => kind === "page").reduce((sum, error) => sum + error.count, 0);
  if (closed > 0) troubles.push(`${count(closed, "participant")} could not come in.`);
  const missing = settings.participants - admission.admitted - admission.failed;
  if (missing > 0 && !interrupted) troubles.push(`${count(missing, "participant")} never came in.`);
  const { messagesLost, messagesDuplicated, deliveriesLost, deliveriesDuplicated } = counts;
  if (messagesLost > 0) troubles.push(`${count(messagesLost, "message")} had no answer.`);
  if (messagesDuplicated > 0) troubles.push(`${count(messagesDuplicated, "message")} answered twice.`);
  if (deliveriesLost > 0) troubles.push(`${count(deliveriesLost, "delivery", "deliveries")} did not arrive.`);
  if (deliveriesDuplicated > 0) troubles.push(`${count(deliveriesDuplicated, "delivery", "deliveries")} came twice.`);
  if (latency.acknowledged.count === 0 && load.finished === 0 && !interrupted && troubles.length === 0) {
    troubles.push("Nothing was played: no message was answered, and no script came to its end.");
  }
  return troubles;
}

/** What limits how far the figures can be believed. */
export function caveatsOf({ generators, server, settings, counts, load, timeline, machine }: LoadReport): string[] {
  const caveats: string[] = [];
  const saturated = generators.filter((one) => one.saturated).length;
  if (saturated > 0) {
    caveats.push(
      `${saturated === generators.length ? "The load was" : `${saturated} of ${generators.length} processes were`} limited by the generator, which was more than ${BUSY_LIMIT * 100} % busy: the server might do more, and latencies contain the generator's own. Give it more --processes on a machine with free cores, or a second machine with --server.`,
    );
  }
  const { rate } = settings;
  if (rate !== null && server.limits !== null && rate > server.limits.rate) {
    caveats.push(
      `The server takes at most ${server.limits.rate} messages a second from one participant (WALRAS_RATE), less than the ${rate} that were due.`,
    );
  }
  if (!server.isOwn && counts.putOff > 0) {
    caveats.push(
      `${count(counts.putOff, "message")} had to be sent again because the server put them off (see the errors): its limits, not its speed, are part of the latencies.`,
    );
  }
  const due = (rate ?? 0) * settings.participants * load.seconds;
  if (counts.unsent > 0) {
    caveats.push(
      `${count(counts.unsent, "turn")} of the open loop never began, since those before them took too long: the load was more than ${saturated > 0 ? "the generator carries" : "server and machine carry"}, and the latencies would be even worse than shown.`,
    );
  } else if (due > 200 && load.messages < 0.9 * due) {
    caveats.push(
      `About ${amount(due)} turns were due and ${amount(load.messages)} messages were answered in that time: the server was late, or the script does not send one message in each turn.`,
    );
  }
  const unread = timeline.filter((moment) => moment.phase === "playing" && moment.residentBytes === null).length;
  if (unread > 0) caveats.push(`The server's figures could not be read in ${count(unread, "moment")} of the run.`);
  if (machine.othersBusy > OTHERS_LIMIT) {
    caveats.push(
      `Something else took ${percent(machine.othersBusy)} of this machine's cores while they played: all figures would be better without it.`,
    );
  }
  if (server.isOwn) {
    caveats.push(
      "Server and generators ran on the same machine and took cores from each other; a server of its own can do more.",
    );
  }
  return caveats;
}

/** The run in a few sentences. */
export function sentences(report: LoadReport): string[] {
  const { settings, admission, load, latency, server, counts } = report;
  const who = `${count(settings.groups, "group")} of ${settings.players}`;
  const what = settings.config === null ? settings.apps.join(", ") : `the session config ${settings.config}`;
  const how =
    settings.loop === "open"
      ? `with ${amount(settings.rate)} messages a second due from each participant, come what may`
      : "each participant sending again when the own message was answered";
  const lines = [
    `${who} played ${what} for ${seconds(load.seconds)}, ${how}.`,
    `${count(admission.admitted, "participant")} came in, ${amount(admission.perSecond)} a second.`,
  ];
  if (latency.acknowledged.count > 0) {
    const { p50, p99 } = latency.acknowledged;
    lines.push(
      `The server carried ${amount(load.messagesPerSecond)} messages a second, which made ${amount(load.deliveriesPerSecond)} deliveries a second. Half of the messages were answered within ${time(p50)}, 99 of 100 within ${time(p99)}.`,
    );
  }
  if (load.finished > settings.participants) {
    lines.push(`The game was played again and again: ${count(load.finished, "participant")} came to its end.`);
  }
  if (server.cpuShare !== null) {
    const each =
      server.cpuMicrosecondsPerMessage === null ? "" : `, ${amount(server.cpuMicrosecondsPerMessage)} µs a message`;
    lines.push(
      `That took ${percent(server.cpuShare)} of one core${each}; the event loop was late by ${time(server.loopDelayMax)} at most.`,
    );
  }
  const { messagesLost, messagesDuplicated, deliveriesLost, deliveriesDuplicated } = counts;
  if (messagesLost + messagesDuplicated + deliveriesLost + deliveriesDuplicated === 0 && counts.messages > 0) {
    lines.push(
      counts.audited > 0
        ? `Nothing was lost and nothing doubled, checked on every message and, in the end, on ${count(counts.audited, "open page")}.`
        : "Nothing was lost and nothing doubled.",
    );
  }
  if (report.interrupted) lines.push("It was ended early.");
  return lines;
}
