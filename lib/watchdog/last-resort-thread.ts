/**
 * Stage 5, ACT: the thread that {@link armLastResort} starts.
 */
import { workerData } from 'node:worker_threads';
import { force } from './force.js';
import { Question } from './question.js';

setTimeout(() => void force(new Question()), workerData as number);
