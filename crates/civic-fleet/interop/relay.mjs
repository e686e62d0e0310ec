// A route that calls the next service, as the services of the platform do: with a token of its own,
// and with the header `Txn-Token` of the request, or without it.
//
//   GET relay?to=URL&forward=true   -> {"status":200,"data":...}

import 'reflect-metadata';

import { Controller, Get, Query, Req } from '@nestjs/common';

import { route } from './platform.mjs';
import { createInternalHeaders } from './service-token.mjs';

/** The controller of a service with this secret. */
export function relayController(secret) {
  class RelayController {
    async relay(to, forward, request) {
      const headers = createInternalHeaders(secret, request.correlationId);
      const transaction = request.headers['txn-token'];
      if (forward === 'true' && transaction) {
        headers['Txn-Token'] = transaction;
      }
      const response = await fetch(to, { headers, signal: AbortSignal.timeout(10_000) });
      return { status: response.status, data: await response.json() };
    }
  }

  Controller()(RelayController);
  route(RelayController, 'relay', [Get('relay')], [Query('to'), Query('forward'), Req()]);
  return RelayController;
}
