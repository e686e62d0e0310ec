// Errors as Nest services throw them: without words, with words, with an object of their own, from
// pipes that validate, and errors that nothing catches.

import 'reflect-metadata';

import {
  BadRequestException,
  Body,
  Controller,
  ForbiddenException,
  Get,
  HttpException,
  NotFoundException,
  Param,
  ParseIntPipe,
  Post,
  UnprocessableEntityException,
  ValidationPipe,
} from '@nestjs/common';
import { Type } from 'class-transformer';
import { IsEmail, Min, ValidateNested } from 'class-validator';

import { Public, route } from './platform.mjs';

class Inner {}
Min(1)(Inner.prototype, 'n');

class Person {}
IsEmail()(Person.prototype, 'email');
Min(0)(Person.prototype, 'age');
ValidateNested()(Person.prototype, 'inner');
Type(() => Inner)(Person.prototype, 'inner');

export class ErrorsController {
  notFound() {
    throw new NotFoundException();
  }

  notFoundWithWords() {
    throw new NotFoundException('Property 7 not found');
  }

  notFoundWithObject() {
    throw new NotFoundException({ code: 'PROP_404', message: 'Property 7 not found' });
  }

  notFoundWithDetail() {
    throw new NotFoundException({ code: 'PROP_404', detail: { id: 7 } });
  }

  described() {
    throw new BadRequestException('Bad thing', 'Some description');
  }

  withoutWords() {
    throw new BadRequestException();
  }

  uncaught() {
    throw new Error('a secret of the database');
  }

  gone() {
    throw new HttpException('gone away', 410);
  }

  ownObject() {
    throw new HttpException({ status: 403, error: 'This is a custom message' }, 403);
  }

  cutInTheMiddle() {
    throw new BadRequestException('Name too long: aaa\ud83d');
  }

  forbidden() {
    throw new ForbiddenException('Not in this municipality');
  }

  fields() {
    throw new UnprocessableEntityException({
      error: 'Unprocessable Entity',
      message: 'Validation failed: name: Required',
      details: [{ field: 'name', message: 'Required' }],
    });
  }

  int(id) {
    return id;
  }

  validated(person) {
    return person;
  }

  validatedAsObjects(person) {
    return person;
  }

  validatedAsErrors(person) {
    return person;
  }

  validatedAs422(person) {
    return person;
  }

  validatedWithoutWords(person) {
    return person;
  }
}

const get = (method, path, parameters = []) =>
  route(ErrorsController, method, [Get(path), Public()], parameters);
const validated = (method, path, options) => {
  route(
    ErrorsController,
    method,
    [Post(path), Public(), Reflect.metadata('design:paramtypes', [Person])],
    [Body(new ValidationPipe({ transform: true, ...options }))],
  );
};

Controller()(ErrorsController);
get('notFound', 'nf');
get('notFoundWithWords', 'nfm');
get('notFoundWithObject', 'nfo');
get('notFoundWithDetail', 'nfo2');
get('described', 'desc');
get('withoutWords', 'nomsg');
get('uncaught', 'plain');
get('gone', 'str');
get('ownObject', 'obj');
get('cutInTheMiddle', 'emoji');
get('forbidden', 'forbidden');
get('fields', 'fields');
get('int', 'int/:id', [Param('id', ParseIntPipe)]);
validated('validated', 'v', {});
validated('validatedAsObjects', 'vo', {
  exceptionFactory: (errors) =>
    new BadRequestException(
      errors.map(({ property, constraints }) => ({ property, constraints })),
    ),
});
validated('validatedAsErrors', 'vr', {
  exceptionFactory: (errors) => new BadRequestException(errors),
});
validated('validatedAs422', 'v422', { errorHttpStatusCode: 422 });
validated('validatedWithoutWords', 'vde', { disableErrorMessages: true });
