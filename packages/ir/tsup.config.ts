import { moduleConfig } from '../../tsup.base.js';

export default moduleConfig(import.meta.dirname);
