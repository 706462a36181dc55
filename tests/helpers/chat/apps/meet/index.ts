import { setTimeout as sleep } from "node:timers/promises";
import { defineApp } from "walras";

/** Everybody waits for everybody, and talks meanwhile; the function of the wait page takes its time, and talks too. */
const app = defineApp({ name: "meet" });

let runs = 0;
app.creatingSession((subsession) => {
  const [first] = subsession.getGroups();
  if (subsession.session.config.early === true) first?.postChat("too early", { nickname: "Host", channel: "all" });
});
app.page("Begin");
app.waitPage("All", {
  waitForAllGroups: true,
  async afterAllPlayersArrive(subsession) {
    runs += 1;
    const [, second] = subsession.getGroups();
    await sleep(400);
    second?.postChat(`You are all here (run ${runs})`, { nickname: "Host", channel: "all" });
  },
});
app.page("End");

export default app;
