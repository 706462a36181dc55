import { defineApp } from "walras";

/** Groups form by arrival. */
const app = defineApp({ name: "meeting", playersPerGroup: 3 });

app.waitPage("Lobby", { groupByArrivalTime: true });

app.page("End");

export default app;
