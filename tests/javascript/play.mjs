// Plays one scenario and prints what it came to. `node play.mjs '{"scenario": "newThread", "url": …}'`
import { Setup, tell } from "./client.mjs";
import * as controllers from "./controllers.mjs";
import * as threads from "./threads.mjs";

const given = JSON.parse(process.argv[2]);
const setup = new Setup(given);
const play = { ...threads, ...controllers }[given.scenario];
try {
  tell({ saw: await play(setup) });
} catch (error) {
  tell({ failed: error.stack ?? String(error) });
}
// Streams that are still open would keep the process.
process.exit(0);
