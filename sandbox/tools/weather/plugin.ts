/** Weather from Open-Meteo: what it is like now, and the days and hours ahead, for places by name or by coordinates. */
import { config, definePlugin, defineTool, fieldsOf, http, itemsOf, numberOf, textOf, withQuery } from "ironclaw"

const GEOCODING = "https://geocoding-api.open-meteo.com/v1/search"
const FORECAST = "https://api.open-meteo.com/v1/forecast"
/** A place so much larger than the others of its name is the one that is meant. */
const CLEARLY_LARGER = 5
/** Parts of a town and the district of the same name are entries of their own; nearer than this (some 50 km) they have one weather. */
const SAME_PLACE_DEGREES = 0.5
const MAX_HOURLY_DAYS = 3

type Place = {
  name: string
  latitude: number
  longitude: number
  region?: string
  country?: string
  timezone?: string
  population?: number
  elevation?: number
}
type Found = Place & { within: string[]; isCapital: boolean }
type Where = { place?: string; latitude?: number; longitude?: number; units?: "metric" | "imperial"; language?: string }

/** Weather codes of the World Meteorological Organization, table 4677, as far as Open-Meteo uses them. */
const SKY: Readonly<Record<number, string>> = {
  0: "clear sky",
  1: "mainly clear",
  2: "partly cloudy",
  3: "overcast",
  45: "fog",
  48: "fog with rime",
  51: "light drizzle",
  53: "drizzle",
  55: "dense drizzle",
  56: "light freezing drizzle",
  57: "freezing drizzle",
  61: "light rain",
  63: "rain",
  65: "heavy rain",
  66: "light freezing rain",
  67: "freezing rain",
  71: "light snow",
  73: "snow",
  75: "heavy snow",
  77: "snow grains",
  80: "light showers",
  81: "showers",
  82: "violent showers",
  85: "light snow showers",
  86: "heavy snow showers",
  95: "thunderstorm",
  96: "thunderstorm with light hail",
  99: "thunderstorm with heavy hail",
}
const COMPASS = "N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW".split(" ")

/** What we call a value, and what Open-Meteo does. */
const NOW = {
  temperature: "temperature_2m",
  feels_like: "apparent_temperature",
  humidity: "relative_humidity_2m",
  precipitation: "precipitation",
  cloud_cover: "cloud_cover",
  pressure: "pressure_msl",
  wind: "wind_speed_10m",
  gusts: "wind_gusts_10m",
}
const DAY = {
  low: "temperature_2m_min",
  high: "temperature_2m_max",
  feels_low: "apparent_temperature_min",
  feels_high: "apparent_temperature_max",
  precipitation: "precipitation_sum",
  precipitation_chance: "precipitation_probability_max",
  snow: "snowfall_sum",
  wind: "wind_speed_10m_max",
  gusts: "wind_gusts_10m_max",
  uv_index: "uv_index_max",
  sunrise: "sunrise",
  sunset: "sunset",
}
const HOUR = {
  temperature: "temperature_2m",
  feels_like: "apparent_temperature",
  precipitation: "precipitation",
  precipitation_chance: "precipitation_probability",
  humidity: "relative_humidity_2m",
  cloud_cover: "cloud_cover",
  wind: "wind_speed_10m",
  gusts: "wind_gusts_10m",
}
const CURRENT_FIELDS = [...Object.values(NOW), "weather_code", "wind_direction_10m", "is_day"]
const DAY_FIELDS = [...Object.values(DAY), "weather_code", "wind_direction_10m_dominant"]
const HOUR_FIELDS = [...Object.values(HOUR), "weather_code", "wind_direction_10m"]

const whereProperties = {
  place: { type: "string", minLength: 2, maxLength: 100, description: "Town, or 'town, region' or 'town, country'" },
  latitude: { type: "number", minimum: -90, maximum: 90, description: "With longitude, instead of place" },
  longitude: { type: "number", minimum: -180, maximum: 180 },
  units: { type: "string", enum: ["metric", "imperial"], description: "Default: as configured, else metric" },
  language: { type: "string", minLength: 2, maxLength: 8, description: "Of place names, such as de (default en)" },
}

function ask(url: string): Record<string, unknown> {
  const answer = http({ url, headers: { accept: "application/json" } })
  let body: Record<string, unknown> = {}
  try {
    body = fieldsOf(answer.json())
  } catch {
    if (answer.ok) throw new Error("Open-Meteo answered with what is no JSON. Try again in some minutes.")
  }
  if (answer.ok && body["error"] !== true) return body
  const reason = textOf(body["reason"]).slice(0, 300)
  if (answer.status === 429) {
    const wait = answer.headers["retry-after"]
    throw new Error(
      `Open-Meteo had too many requests from here (${reason || 429}). Try again ${wait ? `in ${wait} s` : "in a minute, or tomorrow where the day's limit is meant"}.`,
    )
  }
  if (answer.status >= 500)
    throw new Error(`Open-Meteo is out of order at the moment (${answer.status}). Try again in some minutes.`)
  throw new Error(`Open-Meteo refuses this request (${answer.status}): ${reason || "it does not say why"}`)
}

const languageOf = (given: string | undefined) => given ?? config["language"] ?? "en"

function search(name: string, { country, language, count }: { country?: string; language: string; count: number }) {
  const body = ask(withQuery(GEOCODING, { name, count, language, format: "json", countryCode: country }))
  return itemsOf(body["results"]).flatMap((item): Found[] => {
    const one = fieldsOf(item)
    const [latitude, longitude] = [numberOf(one["latitude"]), numberOf(one["longitude"])]
    if (latitude === undefined || longitude === undefined) return []
    const population = numberOf(one["population"])
    const elevation = numberOf(one["elevation"])
    const [region, land, timezone] = [textOf(one["admin1"]), textOf(one["country"]), textOf(one["timezone"])]
    return [
      {
        name: textOf(one["name"]),
        latitude,
        longitude,
        ...(region ? { region } : {}),
        ...(land ? { country: land } : {}),
        ...(timezone ? { timezone } : {}),
        ...(population === undefined ? {} : { population }),
        ...(elevation === undefined ? {} : { elevation }),
        within: ["country", "country_code", "admin1", "admin2", "admin3", "admin4"].map((key) =>
          folded(textOf(one[key])),
        ),
        isCapital: one["feature_code"] === "PPLC",
      },
    ]
  })
}

/** As people write it, in capitals or without its accents. */
function folded(text: string): string {
  return text
    .normalize("NFD")
    .replace(/\p{M}|[.\s'-]/gu, "")
    .toLowerCase()
}

const COUNTRY_NAMES: Readonly<Record<string, string>> = { usa: "us", america: "us", uk: "gb", greatbritain: "gb" }

const nameOf = ({ name, region, country }: Place) =>
  [name, region === name ? undefined : region, country].filter((part) => part !== undefined).join(", ")
const shown = ({ within: _within, isCapital: _isCapital, ...place }: Found): Place => place

type Chosen = { place: { name: string; latitude: number; longitude: number }; also: string[] }

/** Where it is meant to be; or, where that is not plain, the places to choose from. */
function locate({ place, latitude, longitude, language }: Where): Chosen | { question: string; places: Place[] } {
  if (latitude !== undefined && longitude !== undefined)
    return { place: { name: `${latitude}, ${longitude}`, latitude, longitude }, also: [] }
  if (place === undefined || latitude !== undefined || longitude !== undefined)
    throw new Error("Say where: a place, or latitude and longitude both")
  const [name = "", ...qualifiers] = place
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
  if (name === "") throw new Error("Say where: a place by its name")
  const all = search(name, { language: languageOf(language), count: qualifiers.length > 0 ? 100 : 10 })
  if (all.length === 0)
    throw new Error(
      `Open-Meteo knows no place called ${JSON.stringify(name)}. Try its name in English or in its own language, the next larger town, or coordinates.`,
    )
  const wanted = qualifiers.map(folded).map((word) => COUNTRY_NAMES[word] ?? word)
  const fitting = all.filter(({ within }) => wanted.every((word) => within.includes(word)))
  if (fitting.length === 0)
    return {
      question: `No ${name} is in ${qualifiers.join(", ")} by these names. Ask again with one of these, or with coordinates.`,
      places: all.slice(0, 10).map(shown),
    }
  const [first, ...others] = fitting
  if (!first) throw new Error("No place was found")
  const rivals = others.filter((other) => folded(other.name) === folded(first.name) && !isNear(first, other))
  const largest = Math.max(0, ...rivals.map(({ population = 0 }) => population))
  if (rivals.length > 0 && !first.isCapital && (first.population ?? 0) < CLEARLY_LARGER * Math.max(1, largest))
    return {
      question: `Several places are called ${first.name}. Ask again with one of these ('town, region' or coordinates); where it is not clear which one is meant, ask the user.`,
      places: [first, ...rivals].slice(0, 10).map(shown),
    }
  const { latitude: lat, longitude: lon } = first
  return { place: { name: nameOf(first), latitude: lat, longitude: lon }, also: rivals.slice(0, 3).map(nameOf) }
}

const isNear = (a: Place, b: Place) =>
  Math.abs(a.latitude - b.latitude) < SAME_PLACE_DEGREES && Math.abs(a.longitude - b.longitude) < SAME_PLACE_DEGREES

function forecast({ place }: Chosen, { units }: Where, query: Record<string, string | number | undefined>) {
  const imperial = (units ?? config["units"]) === "imperial"
  return ask(
    withQuery(FORECAST, {
      latitude: place.latitude,
      longitude: place.longitude,
      timezone: "auto",
      ...(imperial ? { temperature_unit: "fahrenheit", wind_speed_unit: "mph", precipitation_unit: "inch" } : {}),
      ...query,
    }),
  )
}

type Names = Readonly<Record<string, string>>

function valuesOf(from: Record<string, unknown>, names: Names, { sky, wind }: { sky: string; wind: string }) {
  const code = numberOf(from[sky])
  const degrees = numberOf(from[wind])
  const values = Object.entries(names).flatMap(([ours, theirs]) => {
    const value = from[theirs]
    return typeof value === "number" || typeof value === "string" ? [[ours, value] as const] : []
  })
  return {
    ...(code === undefined ? {} : { weather: SKY[code] ?? `weather code ${code}` }),
    ...Object.fromEntries(values),
    ...(degrees === undefined ? {} : { wind_from: COMPASS[Math.round(degrees / 22.5) % 16] ?? "" }),
  }
}

function unitsOf(units: Record<string, unknown>, names: Names): Record<string, string> {
  const written = Object.entries(names).map(([ours, theirs]) => [ours, textOf(units[theirs])] as const)
  return Object.fromEntries(written.filter(([, unit]) => unit !== "" && unit !== "iso8601"))
}

/** Open-Meteo gives a list for each value; we give all values for each time. */
function rowsOf(table: Record<string, unknown>): Record<string, unknown>[] {
  return itemsOf(table["time"]).map((_time, at) =>
    Object.fromEntries(Object.entries(table).map(([name, list]) => [name, itemsOf(list)[at]])),
  )
}

const DAILY = { sky: "weather_code", wind: "wind_direction_10m_dominant" }
const HOURLY = { sky: "weather_code", wind: "wind_direction_10m" }
const daysOf = (body: Record<string, unknown>) =>
  rowsOf(fieldsOf(body["daily"])).map((row) => ({ date: textOf(row["time"]), ...valuesOf(row, DAY, DAILY) }))

function headOf({ place, also }: Chosen, body: Record<string, unknown>) {
  const { name, latitude, longitude } = place
  const timezone = textOf(body["timezone"])
  return {
    place: name,
    latitude,
    longitude,
    ...(timezone ? { timezone } : {}),
    ...(also.length > 0 ? { other_places_of_this_name: also } : {}),
  }
}

const weatherNow = defineTool({
  name: "weather_now",
  description: "The weather at a place at this moment, and the rest of its day. Times are local to the place.",
  input: { type: "object", properties: whereProperties, additionalProperties: false },
  annotations: { readOnlyHint: true },
  run(where: Where) {
    const chosen = locate(where)
    if ("question" in chosen) return chosen
    const query = { current: CURRENT_FIELDS.join(","), daily: DAY_FIELDS.join(","), forecast_days: 1 }
    const body = forecast(chosen, where, query)
    const current = fieldsOf(body["current"])
    return {
      ...headOf(chosen, body),
      time: textOf(current["time"]),
      daylight: current["is_day"] === 1,
      now: valuesOf(current, NOW, HOURLY),
      today: daysOf(body)[0],
      units: { ...unitsOf(fieldsOf(body["daily_units"]), DAY), ...unitsOf(fieldsOf(body["current_units"]), NOW) },
      source: "Open-Meteo.com",
    }
  },
})

const weatherForecast = defineTool({
  name: "weather_forecast",
  description:
    "The weather at a place for the days ahead (at most 16), or by the hour for at most 3 days. Times are local to the place.",
  input: {
    type: "object",
    properties: {
      ...whereProperties,
      from: { type: "string", minLength: 10, maxLength: 10, description: "First day, YYYY-MM-DD (default today)" },
      days: { type: "integer", minimum: 1, maximum: 16, description: "How many days (default 7; by the hour 1)" },
      by: { type: "string", enum: ["day", "hour"], description: "Default day" },
    },
    additionalProperties: false,
  },
  annotations: { readOnlyHint: true },
  run({ from, days, by = "day", ...where }: Where & { from?: string; days?: number; by?: "day" | "hour" }) {
    const count = days ?? (by === "hour" ? 1 : 7)
    if (by === "hour" && count > MAX_HOURLY_DAYS)
      throw new Error(`By the hour at most ${MAX_HOURLY_DAYS} days at a time: ask for the later ones with from`)
    const chosen = locate(where)
    if ("question" in chosen) return chosen
    const fields = by === "hour" ? { hourly: HOUR_FIELDS.join(",") } : { daily: DAY_FIELDS.join(",") }
    const span =
      from === undefined ? { forecast_days: count } : { start_date: from, end_date: dayAfter(from, count - 1) }
    const body = forecast(chosen, where, { ...fields, ...span })
    return {
      ...headOf(chosen, body),
      units:
        by === "hour" ? unitsOf(fieldsOf(body["hourly_units"]), HOUR) : unitsOf(fieldsOf(body["daily_units"]), DAY),
      ...(by === "hour"
        ? {
            hours: rowsOf(fieldsOf(body["hourly"])).map((row) => ({
              time: textOf(row["time"]),
              ...valuesOf(row, HOUR, HOURLY),
            })),
          }
        : { days: daysOf(body) }),
      source: "Open-Meteo.com",
    }
  },
})

function dayAfter(day: string, count: number): string {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN
  if (Number.isNaN(at)) throw new Error(`${JSON.stringify(day)} is no day: write it as YYYY-MM-DD`)
  return new Date(at + count * 86_400_000).toISOString().slice(0, 10)
}

const placeFind = defineTool({
  name: "place_find",
  description: "Places of a name or postal code: country, region, coordinates, time zone, population.",
  input: {
    type: "object",
    properties: {
      name: { type: "string", minLength: 2, maxLength: 100, description: "Name or postal code, without the country" },
      country: { type: "string", minLength: 2, maxLength: 2, description: "Two letters, such as DE" },
      language: whereProperties.language,
      count: { type: "integer", minimum: 1, maximum: 50, description: "Default 10" },
    },
    required: ["name"],
    additionalProperties: false,
  },
  annotations: { readOnlyHint: true },
  run({ name, country, language, count = 10 }: { name: string; country?: string; language?: string; count?: number }) {
    const found = search(name, {
      language: languageOf(language),
      count,
      ...(country === undefined ? {} : { country: country.toUpperCase() }),
    })
    return { places: found.map(shown), ...(found.length === 0 ? { note: "Open-Meteo knows no such place" } : {}) }
  },
})

export const { describe, call } = definePlugin(weatherNow, weatherForecast, placeFind)
