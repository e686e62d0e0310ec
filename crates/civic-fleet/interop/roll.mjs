// The routes of the example fleet's assessment roll, as a NestJS controller: the same paths and the
// same payloads as `civic-fleet conformance` has.

import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  Body,
  Controller,
  Get,
  HttpCode,
  NotFoundException,
  Param,
  Post,
  Req,
} from '@nestjs/common';

import { Roles, SkipEnvelope, route } from './platform.mjs';

/** The controller, with payloads from the folder of the Rust service's. */
export function rollController(payloads) {
  const payload = (name) => JSON.parse(readFileSync(join(payloads, name), 'utf8'));
  const assessment = payload('assessment.json');
  const array = payload('array.json');
  const string = payload('string.json');
  const envelopeLike = payload('looks_like_envelope.json');
  const unwrapped = payload('unwrapped.json');
  const softFailure = payload('soft_failure.json');

  class RollController {
    assessment(id) {
      if (id === 'missing') {
        throw new NotFoundException(`Property with ID ${id} not found`);
      }
      return { id, ...assessment };
    }

    supplementary(id, received, request) {
      return {
        id,
        method: request.method,
        received,
        contentType: request.headers['content-type'] ?? null,
        idempotencyKey: request.headers['idempotency-key'] ?? null,
        correlationId: request.correlationId,
      };
    }

    whoAmI(request) {
      return request.user;
    }

    forTreasurers() {
      return 'for treasurers and higher';
    }

    /** What arrived. A token is shown without the part that makes it one. */
    headers(request) {
      const { authorization, ...shown } = request.headers;
      return authorization
        ? { ...shown, authorization: authorization.replace(/[^.]*$/, '[signature]') }
        : shown;
    }

    nothing() {
      return null;
    }

    array() {
      return array;
    }

    string() {
      return string;
    }

    number() {
      return 42;
    }

    boolean() {
      return false;
    }

    envelopeLike() {
      return envelopeLike;
    }

    unwrapped() {
      return unwrapped;
    }

    softFailure() {
      return { ...softFailure, timestamp: new Date().toISOString() };
    }
  }

  Controller()(RollController);
  route(RollController, 'assessment', [Get('properties/:id/assessment')], [Param('id')]);
  route(
    RollController,
    'supplementary',
    [Post('properties/:id/supplementary'), HttpCode(201)],
    [Param('id'), Body(), Req()],
  );
  route(RollController, 'whoAmI', [Get('whoami')], [Req()]);
  route(RollController, 'forTreasurers', [Get('for-treasurers'), Roles('TREASURER')]);
  route(RollController, 'headers', [Get('headers')], [Req()]);
  route(RollController, 'nothing', [Get('null')]);
  route(RollController, 'array', [Get('array')]);
  route(RollController, 'string', [Get('string')]);
  route(RollController, 'number', [Get('number')]);
  route(RollController, 'boolean', [Get('boolean')]);
  route(RollController, 'envelopeLike', [Get('looks-like-envelope')]);
  route(RollController, 'unwrapped', [Get('unwrapped'), SkipEnvelope()]);
  route(RollController, 'softFailure', [Get('soft-failure'), SkipEnvelope()]);
  return RollController;
}
