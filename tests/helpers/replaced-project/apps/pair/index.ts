import { currency, defineApp } from "walras";

const app = defineApp({
  name: "pair",
  playersPerGroup: 2,
  rounds: 2,
  player: { offer: currency({ min: 0, max: 10 }) },
});

app.page("Offer", {
  formFields: ["offer"],
  computer: () => ({ offer: 5 }),
  beforeNextPage(player) {
    player.payoff = 2;
  },
});
// Nobody is slow in the first round.
app.waitPage("Wait", { timeout: { seconds: (player) => (player.roundNumber === 1 ? 60 : 0.2), outcome: "replace" } });
app.page("Play", {
  live(_player, text: string) {
    return { 0: text };
  },
});

export default app;
