import { judge as judgeOf, planner as plannerOf } from "./contract.js";
import * as plugin from "../plugin.js";

export const planner = plannerOf(plugin);
export const judge = judgeOf(plugin);
