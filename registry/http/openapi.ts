import { z } from 'zod'
import { ErrorBody } from './errors.ts'
import type { Route } from './routes.ts'

/** OpenAPI 3.1 from the schemas that validate requests, so that it cannot say anything else. */
export function openApi(routes: readonly Route[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method]: operationOf(route) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'CAMI registry', version },
    paths,
    components: {
      securitySchemes: {
        session: { type: 'http', scheme: 'bearer', description: 'The token of POST /api/session' },
      },
    },
  }
}

const binary = { schema: { type: 'string', format: 'binary' } }

function operationOf(route: Route): Record<string, unknown> {
  const { access, body, answer, isUpload, isDocument } = route
  return {
    summary: route.summary,
    ...(access === 'anyone' ? {} : { security: [{ session: [] }] }),
    ...(typeof access === 'string' ? {} : { 'x-roles': access }),
    parameters: [...parametersOf('path', route.params), ...parametersOf('query', route.query)],
    ...(body !== undefined && { requestBody: { required: true, content: jsonOf(body, 'input') } }),
    ...(isUpload === true && {
      requestBody: {
        required: true,
        content: {
          'application/pdf': binary,
          'image/jpeg': binary,
          'application/pkcs7-signature': binary,
        },
      },
    }),
    responses: {
      ...(isDocument === true
        ? { 200: { description: 'Document', content: { 'application/pdf': binary } } }
        : answer === undefined
          ? { 204: { description: 'Done' } }
          : { 200: { description: 'Answer', content: jsonOf(answer, 'output') } }),
      default: { description: 'Refused or failed', content: jsonOf(ErrorBody, 'output') },
    },
  }
}

const jsonOf = (schema: z.ZodType, io: 'input' | 'output') => ({
  'application/json': { schema: schemaOf(schema, io) },
})

function schemaOf(schema: z.ZodType, io: 'input' | 'output') {
  // Names and phones may also be given as texts, which JSON Schema has no word for.
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return rest
}

function parametersOf(place: 'path' | 'query', schema: z.ZodType | undefined): unknown[] {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = schemaOf(schema, 'input')
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: property,
  }))
}
