/** Open-Meteo's two APIs as its documentation describes them (open-meteo.com/en/docs and …/geocoding-api), with made-up weather. */
import { createVendorServer, type VendorAnswer, type VendorRequest, type VendorServer } from "./vendor-server.ts"

type Place = Record<string, unknown> & { name: string; country_code: string }

const place = (
  name: string,
  [country_code, country, admin1]: readonly [string, string, string],
  [latitude, longitude]: readonly [number, number],
  more: Record<string, unknown> = {},
): Place => ({
  id: Math.round(latitude * 1000),
  name,
  latitude,
  longitude,
  elevation: 38,
  feature_code: "PPL",
  country_code,
  country,
  admin1,
  timezone: "Etc/UTC",
  ...more,
})

export const places: Place[] = [
  place("Berlin", ["DE", "Germany", "Land Berlin"], [52.524, 13.411], {
    feature_code: "PPLC",
    population: 3426354,
    timezone: "Europe/Berlin",
  }),
  place("Berlin", ["DE", "Germany", "Land Berlin"], [52.52, 13.4], { feature_code: "ADM3" }),
  place("Berlin", ["US", "United States", "New Hampshire"], [44.469, -71.185], { population: 9367 }),
  place("Springfield", ["US", "United States", "Missouri"], [37.215, -93.298], { population: 166810 }),
  place("Springfield", ["US", "United States", "Massachusetts"], [42.101, -72.59], { population: 154341 }),
  place("Springfield", ["US", "United States", "Illinois"], [39.802, -89.644], { population: 116250 }),
  place("Paris", ["FR", "France", "Île-de-France"], [48.853, 2.349], { feature_code: "PPLC", population: 2138551 }),
  place("Paris", ["US", "United States", "Texas"], [33.661, -95.556], { population: 24839 }),
]

export function openMeteo(): { geocoding: VendorServer; forecast: VendorServer } {
  return { geocoding: createVendorServer(geocode), forecast: createVendorServer(foretell) }
}

function geocode({ path, query }: VendorRequest): VendorAnswer {
  if (path !== "/v1/search") return { status: 404, body: { error: true, reason: "Not Found" } }
  const { name = "", count = "10", countryCode } = query
  const found = places.filter(
    (one) =>
      one.name.toLowerCase().startsWith(name.toLowerCase()) &&
      (countryCode === undefined || one.country_code === countryCode),
  )
  // Where nothing is found there is no list at all.
  return {
    body: { ...(found.length > 0 ? { results: found.slice(0, Number(count)) } : {}), generationtime_ms: 0.4 },
  }
}

const units = ({ temperature_unit, wind_speed_unit, precipitation_unit }: Record<string, string>) => ({
  temperature: temperature_unit === "fahrenheit" ? "°F" : "°C",
  wind: wind_speed_unit === "mph" ? "mp/h" : "km/h",
  precipitation: precipitation_unit === "inch" ? "inch" : "mm",
})

function unitOf(field: string, query: Record<string, string>): string {
  const { temperature, wind, precipitation } = units(query)
  if (field === "sunrise" || field === "sunset" || field === "time") return "iso8601"
  if (field.startsWith("wind_direction")) return "°"
  if (field.startsWith("wind_")) return wind
  if (field.includes("temperature")) return temperature
  if (field.includes("probability") || field.includes("humidity") || field === "cloud_cover") return "%"
  if (field.startsWith("precipitation")) return precipitation
  if (field.startsWith("snowfall")) return "cm"
  if (field === "pressure_msl") return "hPa"
  return field === "weather_code" ? "wmo code" : ""
}

function valueOf(field: string, at: number): string | number {
  if (field === "sunrise") return "2026-06-01T04:47"
  if (field === "sunset") return "2026-06-01T21:19"
  if (field === "weather_code") return [61, 0, 95][at % 3] ?? 0
  if (field.startsWith("wind_direction")) return 250
  if (field === "is_day") return 1
  return 10 + at
}

const TODAY = Date.parse("2026-06-01T00:00:00Z")
const DAY_MS = 86_400_000
const dayOf = (at: number) => new Date(TODAY + at * DAY_MS).toISOString().slice(0, 10)

function foretell({ path, query }: VendorRequest): VendorAnswer {
  if (path !== "/v1/forecast") return { status: 404, body: { error: true, reason: "Not Found" } }
  const refuse = (reason: string): VendorAnswer => ({ status: 400, body: { error: true, reason } })
  const { start_date: start, end_date: end, latitude, longitude, current, daily, hourly } = query
  if (latitude === undefined || longitude === undefined)
    return refuse("Parameter 'latitude' and 'longitude' must have the same number of elements")
  const first = start === undefined ? 0 : Math.round((Date.parse(start) - TODAY) / DAY_MS)
  const days =
    end === undefined
      ? Number(query["forecast_days"] ?? 7)
      : Math.round((Date.parse(end) - Date.parse(start ?? end)) / DAY_MS) + 1
  if (first < -92 || first + days > 16)
    return refuse(
      `Parameter 'end_date' is out of allowed range from ${dayOf(-92)} to ${dayOf(15)}. Given '${end ?? ""}'.`,
    )
  const fieldsOf = (list: string) => list.split(",")
  const unitTable = (list: string) =>
    Object.fromEntries(["time", ...fieldsOf(list)].map((field) => [field, unitOf(field, query)]))
  const table = (list: string, times: string[]) => ({
    time: times,
    ...Object.fromEntries(fieldsOf(list).map((field) => [field, times.map((_time, at) => valueOf(field, at))])),
  })
  const dates = Array.from({ length: days }, (_, at) => dayOf(first + at))
  const hours = dates.flatMap((date) =>
    Array.from({ length: 24 }, (_, at) => `${date}T${String(at).padStart(2, "0")}:00`),
  )
  return {
    body: {
      latitude: Number(latitude),
      longitude: Number(longitude),
      timezone: "Europe/Berlin",
      timezone_abbreviation: "CEST",
      elevation: 38,
      ...(current === undefined
        ? {}
        : {
            current_units: unitTable(current),
            current: {
              time: `${dayOf(0)}T14:15`,
              interval: 900,
              ...Object.fromEntries(fieldsOf(current).map((field) => [field, valueOf(field, 0)])),
            },
          }),
      ...(daily === undefined ? {} : { daily_units: unitTable(daily), daily: table(daily, dates) }),
      ...(hourly === undefined ? {} : { hourly_units: unitTable(hourly), hourly: table(hourly, hours) }),
    },
  }
}
