import { planner as of } from "./contract.js";
import * as plugin from "../plugin.js";

export const planner = of(plugin);
