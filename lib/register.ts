/**
 * Entry of its own: `import 'nestjs-vitals/register'`, or `node -r` / `--import nestjs-vitals/register`, counts
 * connection resets from here on. As the first import it is early enough for every pool to be known by name.
 * It loads neither Nest nor any driver, and exports nothing.
 */
import { installResetHook } from './sources/reset-hook.js';

installResetHook();
