import type { Writable } from "node:stream";

/** Streams that hold back what is written to them, until the present turn of the loop ends. */
let held: Writable[] = [];

/**
 * From now until the end of this turn of the loop, what is written to a stream is kept, and then goes out in
 * one system call. A commit lets out the deliveries of many messages at once, several of them to the same
 * members; a system call for each cost more than everything else that a message does.
 */
export function writeTogether(stream: Writable): void {
  if (stream.writableCorked > 0) return;
  stream.cork();
  if (held.push(stream) === 1) process.nextTick(letOut);
}

function letOut(): void {
  const streams = held;
  held = [];
  for (const stream of streams) stream.uncork();
}
