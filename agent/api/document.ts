/** The shape of every JSON document that leaves us. */

/** Raised with the package of proto/control.proto. */
export const apiVersion = 'fairlead.v1'

/** A message of the API with what kubectl users expect before it. */
export function document<T extends object>(kind: string, message: T) {
  return { apiVersion, kind, ...message }
}
