/** The services as grpc-js wants them, for server and client alike: one table of methods. */
import type { MethodDefinition } from '@grpc/grpc-js'
import { fairlead, grpc, type Codec } from '../../proto/control.gen.js'
import { decode, encode } from './wire.ts'

const { v1 } = fairlead
const health = grpc.health.v1
const reflection = grpc.reflection.v1

interface Shape {
  readonly requestStream: boolean
  readonly responseStream: boolean
}

function method<Request, Response>(
  path: string,
  request: Codec<Request>,
  response: Codec<Response>,
  shape: Shape,
): MethodDefinition<Request, Response> {
  return {
    path,
    ...shape,
    requestSerialize: (message) => encode(request, message),
    requestDeserialize: (bytes) => decode(request, bytes),
    responseSerialize: (message) => encode(response, message),
    responseDeserialize: (bytes) => decode(response, bytes),
  }
}

const unary: Shape = { requestStream: false, responseStream: false }
const serverStream: Shape = { requestStream: false, responseStream: true }
const bothStream: Shape = { requestStream: true, responseStream: true }

export const controlName = 'fairlead.v1.ControlService'
const at = (name: string): string => `/${controlName}/${name}`

export const controlMethods = {
  GetStatus: method(at('GetStatus'), v1.GetStatusRequest, v1.GetStatusResponse, unary),
  ListServices: method(
    at('ListServices'),
    v1.ListServicesRequest,
    v1.ListServicesResponse,
    serverStream,
  ),
  GetService: method(at('GetService'), v1.GetServiceRequest, v1.GetServiceResponse, unary),
  ListBackends: method(
    at('ListBackends'),
    v1.ListBackendsRequest,
    v1.ListBackendsResponse,
    serverStream,
  ),
  ListAffinity: method(
    at('ListAffinity'),
    v1.ListAffinityRequest,
    v1.ListAffinityResponse,
    serverStream,
  ),
  ListMaps: method(at('ListMaps'), v1.ListMapsRequest, v1.ListMapsResponse, unary),
  DumpMap: method(at('DumpMap'), v1.DumpMapRequest, v1.DumpMapResponse, serverStream),
  WatchEvents: method(
    at('WatchEvents'),
    v1.WatchEventsRequest,
    v1.WatchEventsResponse,
    serverStream,
  ),
  GetBypass: method(at('GetBypass'), v1.GetBypassRequest, v1.GetBypassResponse, unary),
}

export const healthName = 'grpc.health.v1.Health'

export const healthMethods = {
  Check: method(
    `/${healthName}/Check`,
    health.HealthCheckRequest,
    health.HealthCheckResponse,
    unary,
  ),
  Watch: method(
    `/${healthName}/Watch`,
    health.HealthCheckRequest,
    health.HealthCheckResponse,
    serverStream,
  ),
}

export const reflectionName = 'grpc.reflection.v1.ServerReflection'

/** @param version `v1`, or `v1alpha` for tools of before 2023: same bytes, other path. */
export function reflectionMethods(version: 'v1' | 'v1alpha') {
  return {
    ServerReflectionInfo: method(
      `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
      reflection.ServerReflectionRequest,
      reflection.ServerReflectionResponse,
      bothStream,
    ),
  }
}
