-- The watermark without an at-most-once tick whose holder has the key: its work may not have begun,
-- and the claim may be taken back.
local function settled(done, claimed, claimant, prev, held)
  if done and prev and claimed == done and held and held == claimant then
    return prev
  end
  return done
end
