// Routes with an effect that can be counted: each execution of `POST /effects` is one line on stdout
// with the id in the request's body, so that the driver sees an effect that happened twice.

import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';

import { Body, Controller, Get, Post, Query } from '@nestjs/common';

import { emit } from './lines.mjs';
import { route } from './platform.mjs';

/** How long the handlers work, in milliseconds: long enough to be met by a closing server. */
const WORK_MS = 4;

export class EffectsController {
  async effect(body) {
    emit({ event: 'effect', effect: body.id });
    await sleep(WORK_MS);
    return { id: body.id };
  }

  async read() {
    await sleep(WORK_MS);
    return { value: 1 };
  }

  async slow(ms) {
    emit({ event: 'in-flight' });
    await sleep(Number(ms) || 0);
    return { ms: Number(ms) || 0 };
  }
}

Controller()(EffectsController);
route(EffectsController, 'effect', [Post('effects')], [Body()]);
route(EffectsController, 'read', [Get('effects')]);
route(EffectsController, 'slow', [Get('slow')], [Query('ms')]);
