import { defineApp } from "walras";

/** Three rounds of one page, with a barrier at the end of each. */
const app = defineApp({ name: "rounds", playersPerGroup: 2, rounds: 3 });
app.page("Say", {
  live(player, word: string) {
    if (word !== `hi ${player.roundNumber}`) throw new Error("a script of another round");
  },
});
app.waitPage("Together");

export default app;
