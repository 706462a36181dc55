import { writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";

/** What a server process has used so far. */
export interface Usage {
  /** Milliseconds of the process's own clock. */
  at: number;
  /** CPU time, user and system, of all threads, in microseconds. */
  cpu: number;
}

/** Bytes. */
export interface Memory {
  resident: number;
  /** JavaScript's heap and the buffers outside of it. */
  heap: number;
}

/** What every server under test answers. */
export interface ServerCommands {
  /** Where participants come in. */
  place(): ServerPlace;
  usage(): Usage;
  /** After a full collection. */
  memory(): Memory;
  profileStart(): Promise<void>;
  /** Writes a .cpuprofile. */
  profileStop(file: string): Promise<void>;
}

export interface ServerPlace {
  port: number;
  /** Participants' codes, group by group; only Walras has them. */
  codes: string[];
}

const session = new Session();

export function serverCommands(place: ServerPlace): ServerCommands {
  return {
    place: () => place,
    usage: () => ({ at: performance.now(), cpu: microseconds(process.cpuUsage()) }),
    memory() {
      // Twice: finalizers of the first give more back.
      globalThis.gc?.();
      globalThis.gc?.();
      const { rss, heapUsed, external } = process.memoryUsage();
      return { resident: rss, heap: heapUsed + external };
    },
    async profileStart() {
      session.connect();
      await session.post("Profiler.enable");
      await session.post("Profiler.setSamplingInterval", { interval: 200 });
      await session.post("Profiler.start");
    },
    async profileStop(file) {
      const { profile } = await session.post("Profiler.stop");
      writeFileSync(file, JSON.stringify(profile));
      session.disconnect();
    },
  };
}

function microseconds({ user, system }: NodeJS.CpuUsage): number {
  return user + system;
}
