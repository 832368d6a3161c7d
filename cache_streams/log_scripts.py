"""The Lua scripts of the log; each is one atomic step inside Redis."""

from __future__ import annotations

_ENTRIES = """
local function below(a, b)
  local am, an = string.match(a, '(%d+)-(%d+)')
  local bm, bn = string.match(b, '(%d+)-(%d+)')
  if not bm then return false end
  if not am then return true end
  am, an, bm, bn = tonumber(am), tonumber(an), tonumber(bm), tonumber(bn)
  return am < bm or (am == bm and an < bn)
end
-- "held", "trimmed" when the log begins after that id, else "missing": these are not the contents that it was read from.
-- A log that ends above the id proves nothing: somebody may have appended to older contents before anybody compared.
local function entry(log, id)
  if #redis.call('XRANGE', log, id, id) > 0 then return 'held' end
  local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)
  if first[1] and below(id, first[1][1]) then return 'trimmed' end
  return 'missing'
end
-- The entry tells every reader, in the log's own order, that what they knew no longer holds.
local function begin(pos, log, epoch)
  local at = redis.call('XADD', log, '*', 'c', epoch)
  redis.call('HSET', pos, 'epoch', epoch, 'id', at, 'began', at)
  return at
end
"""

CLAIM = (
    _ENTRIES
    + """
-- KEYS: pos, log   ARGV: fence, epoch to mint, last id the caller knows ("" = none)
-- Returns {"OK" | "NEW" | "BORN", all fields of pos} or {"FENCED", holder's fence}; BORN: there was no log at all.
-- An id above the known one is no loss: the caller's own append whose answer never reached it.
local fence = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
if fence > tonumber(ARGV[1]) then return {'FENCED', tostring(fence)} end
redis.call('HSET', KEYS[1], 'fence', ARGV[1])
local state = 'OK'
if not redis.call('HGET', KEYS[1], 'epoch') then
  state = 'BORN'
elseif ARGV[3] ~= '' and entry(KEYS[2], ARGV[3]) == 'missing' then
  -- Unless somebody else noticed since then: whoever must be told was told by that epoch.
  if not below(ARGV[3], redis.call('HGET', KEYS[1], 'began') or '') then state = 'NEW' end
end
if state ~= 'OK' then begin(KEYS[1], KEYS[2], ARGV[2]) end
return {state, redis.call('HGETALL', KEYS[1])}
"""
)

APPEND = """
-- KEYS: log, pos, last, then one snapshot key per update
-- ARGV: fence, expected id, max entries, n, n times (operation, field, seq field, seq, update), then (position, value)*
-- Returns {"OK", new last id}, {"FENCED", holder's fence} or {"MOVED", id found}; only the first wrote anything.
local state = redis.call('HMGET', KEYS[2], 'fence', 'id')
local fence = tonumber(state[1] or '0')
if fence > tonumber(ARGV[1]) then return {'FENCED', tostring(fence)} end
local id = state[2] or ''
if id ~= ARGV[2] or fence ~= tonumber(ARGV[1]) then return {'MOVED', id} end
local n, at = tonumber(ARGV[4]), 5
for i = 1, n do
  local op, field, seq_field, seq, update = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local held = KEYS[3 + i]
  id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'u', update)
  if op == 'V' or op == 'E' then
    redis.call('HSET', held, field, update)
  elseif op == 'D' then
    redis.call('HDEL', held, field)
  else
    redis.call('RPUSH', held, update)
    redis.call('LTRIM', held, -100, -1)
  end
  if op ~= 'V' then redis.call('HSET', KEYS[2], seq_field, seq) end
  at = at + 5
end
redis.call('HSET', KEYS[2], 'id', id)
while ARGV[at] do
  redis.call('HSET', KEYS[2], 'p:' .. ARGV[at], ARGV[at + 1])
  at = at + 2
end
return {'OK', id}
"""

RESTART = (
    _ENTRIES
    + """
-- KEYS: pos, log, last of one key   ARGV: fence, expected id, seq field of the key, epoch to mint
-- Returns as APPEND. What the log said of the key does not hold, so readers have to forget all that they know of it.
local state = redis.call('HMGET', KEYS[1], 'fence', 'id')
local fence = tonumber(state[1] or '0')
if fence > tonumber(ARGV[1]) then return {'FENCED', tostring(fence)} end
local id = state[2] or ''
if id ~= ARGV[2] or fence ~= tonumber(ARGV[1]) then return {'MOVED', id} end
redis.call('DEL', KEYS[3])
redis.call('HDEL', KEYS[1], ARGV[3])
return {'OK', begin(KEYS[1], KEYS[2], ARGV[4])}
"""
)

SNAPSHOT = """
-- KEYS: pos, last   ARGV: kind, tail length, "*" and what every key's text begins with, or "=" and one key's text
-- Returns {epoch, last id, rows of {key, seq, updates}}.
local state = redis.call('HMGET', KEYS[1], 'epoch', 'id')
local rows, kind, texts = {}, ARGV[1], {}
if ARGV[3] == '*' then
  if kind == 'value' then
    local all = redis.call('HGETALL', KEYS[2])
    for i = 1, #all, 2 do
      if string.sub(all[i], 1, #ARGV[4]) == ARGV[4] then rows[#rows + 1] = {all[i], '', {all[i + 1]}} end
    end
    return {state[1] or '', state[2] or '', rows}
  end
  for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(name, 1, 2 + #ARGV[4]) == 's:' .. ARGV[4] then texts[#texts + 1] = string.sub(name, 3) end
  end
else
  texts = {ARGV[4]}
end
for _, text in ipairs(texts) do
  local seq, updates = redis.call('HGET', KEYS[1], 's:' .. text) or '', {}
  if kind == 'value' then
    local held = redis.call('HGET', KEYS[2], text)
    if held then updates = {held} end
  elseif kind == 'collection' then
    updates = redis.call('HVALS', KEYS[2] .. ':' .. text)
  else
    updates = redis.call('LRANGE', KEYS[2] .. ':' .. text, -tonumber(ARGV[2]), -1)
  end
  rows[#rows + 1] = {text, seq, updates}
end
return {state[1] or '', state[2] or '', rows}
"""

COMPARE = (
    _ENTRIES
    + """
-- KEYS: pos, log   ARGV: epoch known, id of the last entry read, epoch to mint
-- Returns {"SAME" | "OTHER" | "TRIMMED" | "NEW", epoch, last id}; NEW: other contents under the known epoch got this one.
local state = redis.call('HMGET', KEYS[1], 'epoch', 'id')
local epoch, id = state[1] or '', state[2] or ''
if epoch ~= ARGV[1] then return {'OTHER', epoch, id} end
if epoch == '' or ARGV[2] == '0-0' then return {'SAME', epoch, id} end
local found = entry(KEYS[2], ARGV[2])
if found == 'missing' then return {'NEW', ARGV[3], begin(KEYS[1], KEYS[2], ARGV[3])} end
return {found == 'held' and 'SAME' or 'TRIMMED', epoch, id}
"""
)
