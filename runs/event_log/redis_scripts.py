"""What Redis does as one step. Each log is two keys that expire together: its entries, and its head.

The entries are a stream whose ids are the numbers, `<seq>-0`, with one field each. The head is a hash: the number of
the newest entry (`last`), and a name that no other log of the thread ever had (`born`).
"""

# Keys: entries, head, writer, fence. Arguments: the writer's number for this batch, the newest number it was ever
# given, whether it must have been here before, the floor, entries kept, milliseconds kept, a name for a log that
# begins, and the new entries. Answers the number of the last entry, and the log's name; nothing where the log is lost.
#
# A writer numbers its batches, and the highest that was done is remembered: a batch that comes again, because its
# answer did not, is answered and not done. So is one that was under way until a later one had overtaken it.
#
# The fence of a run is the highest floor that it was ever written with. A later attempt has a higher one; what an
# earlier one says after that, whose process was suspended and has not noticed, is refused with the number -1.
APPEND = """
local entries, head, writer, fence = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local number, known, continuing, floor = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1', tonumber(ARGV[4])
local length, ttl, born = ARGV[5], ARGV[6], ARGV[7]

local state = redis.call('HMGET', head, 'last', 'born')
local last = tonumber(state[1] or nil)
-- One of the keys may have been evicted, and a Redis that was restarted from a backup may know less than it said.
if last and (last < known or redis.call('EXISTS', entries) == 0) then
    last = nil
end
if not last then
    redis.call('DEL', entries, head, writer)
    if continuing then
        return false
    end
    last = floor
else
    born = state[2]
    local done = redis.call('HMGET', writer, 'number', 'last')
    if done[1] and tonumber(done[1]) >= number then
        return {tonumber(done[2]), born}
    end
end
if floor < tonumber(redis.call('GET', fence) or floor) then
    return {-1, born}
end
if #ARGV < 8 then
    return {last, born}
end
for i = 8, #ARGV do
    last = last + 1
    redis.call('XADD', entries, string.format('%d-0', last), 'e', ARGV[i])
end
redis.call('XTRIM', entries, 'MAXLEN', '=', length)
redis.call('HSET', head, 'last', string.format('%d', last), 'born', born)
redis.call('SET', fence, string.format('%d', floor))
redis.call('HSET', writer, 'number', number, 'last', string.format('%d', last))
for _, key in ipairs(KEYS) do
    redis.call('PEXPIRE', key, ttl)
end
return {last, born}
"""

# Keys: entries, head. Arguments: the number that the entries come after, and how many at most; a number below zero
# counts from the newest. Answers the log's name, the number of its newest entry, that of the first entry here, and the
# entries. Where there is no log the name is empty and the newest number zero.
PAGE = """
local state = redis.call('HMGET', KEYS[2], 'last', 'born')
local page = {state[2] or '', tonumber(state[1] or 0), 0}
local after = tonumber(ARGV[1])
if after < 0 then
    after = math.max(0, page[2] + after)
end
if page[2] > after then
    for i, entry in ipairs(redis.call('XRANGE', KEYS[1], string.format('%d', after + 1), '+', 'COUNT', ARGV[2])) do
        if i == 1 then
            page[3] = tonumber(string.match(entry[1], '^%d+'))
        end
        page[i + 3] = entry[2][2]
    end
end
return page
"""
