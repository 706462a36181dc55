import { defineApp } from "../../index.ts";
import { TestGame } from "./game.ts";

/** An app whose live method holds the CPU for as many milliseconds as it is told. */
export function makeStuck() {
  const app = defineApp({ name: "stuck", group: {}, player: {} });
  app.page("Loop", {
    live(player, ms: number | "forever") {
      const end = ms === "forever" ? Number.POSITIVE_INFINITY : performance.now() + ms;
      while (performance.now() < end);
      return { [player.idInGroup]: "back" };
    },
  });
  return app;
}

/** As a program: a server on which somebody sends a message that never comes back. */
if (process.argv[1] === import.meta.filename) {
  const walras = await TestGame.start([makeStuck()]);
  const [guest] = await walras.guests(["stuck"], 1);
  if (guest === undefined) throw new Error("nobody came");
  const socket = await walras.connect(guest);
  process.stdout.write(`${walras.directory}\n`);
  socket.post("forever");
}
