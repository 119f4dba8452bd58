-- SPDX-License-Identifier: Apache-2.0
-- The tracker's job as one would write it for nginx with Lua: the anchor of click_cpu_total. Opens the link token, looks
-- the product up, mints a click token, writes the click to Redis as a string key with an expiry and an entry on a
-- stream, both in one round trip over a kept connection, and answers once Redis has. The ciphers are OpenSSL's, with
-- contexts that are kept.
local ffi = require "ffi"
local bit = require "bit"

ffi.cdef [[
typedef struct evp_cipher_st EVP_CIPHER;
typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX;
EVP_CIPHER_CTX *EVP_CIPHER_CTX_new(void);
const EVP_CIPHER *EVP_aes_256_ecb(void);
const EVP_CIPHER *EVP_aes_256_gcm(void);
int EVP_CIPHER_CTX_set_padding(EVP_CIPHER_CTX *, int);
int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX *, int, int, void *);
int EVP_DecryptInit_ex(EVP_CIPHER_CTX *, const EVP_CIPHER *, void *, const unsigned char *, const unsigned char *);
int EVP_DecryptUpdate(EVP_CIPHER_CTX *, unsigned char *, int *, const unsigned char *, int);
int EVP_EncryptInit_ex(EVP_CIPHER_CTX *, const EVP_CIPHER *, void *, const unsigned char *, const unsigned char *);
int EVP_EncryptUpdate(EVP_CIPHER_CTX *, unsigned char *, int *, const unsigned char *, int);
int EVP_EncryptFinal_ex(EVP_CIPHER_CTX *, unsigned char *, int *);
int RAND_bytes(unsigned char *, int);
]]
local SET_IV_BYTES, GET_TAG, TAG_BYTES = 0x9, 0x10, 12
local WINDOW_S, GRACE_S, RECORD_BYTES = 2592000, 259200, 21
local ROBOTS = [[bot|crawl|spider|curl/|python|go-http-client|facebookexternalhit|whatsapp/|telegrambot|preview]]

local job = { products = {}, suspended = {} }
local crypto, link_box, click_box
local block, plain, token = ffi.new("unsigned char[18]"), ffi.new("unsigned char[16]"), ffi.new("unsigned char[45]")
local length, pool, pool_at = ffi.new("int[1]"), ffi.new("unsigned char[4096]"), 4096
local byte, digits, limbs = string.byte, {}, ffi.new("double[6]")
for i = 0, 61 do
	digits[("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"):byte(i + 1)] = i
end

local function from_hex(hex)
	return (hex:gsub("..", function(pair) return string.char(tonumber(pair, 16)) end))
end

-- products: id -> { url, store_id }
function job.init(link_key, click_key, redis_port, products)
	crypto = ffi.load("crypto")
	link_box, click_box = crypto.EVP_CIPHER_CTX_new(), crypto.EVP_CIPHER_CTX_new()
	crypto.EVP_DecryptInit_ex(link_box, crypto.EVP_aes_256_ecb(), nil, from_hex(link_key), nil)
	crypto.EVP_CIPHER_CTX_set_padding(link_box, 0)
	crypto.EVP_EncryptInit_ex(click_box, crypto.EVP_aes_256_gcm(), nil, nil, nil)
	crypto.EVP_CIPHER_CTX_ctrl(click_box, SET_IV_BYTES, 16, nil)
	crypto.EVP_EncryptInit_ex(click_box, nil, nil, from_hex(click_key), nil)
	job.products = products
	job.redis_port = redis_port
	job.set_head = "*5\r\n$3\r\nSET\r\n$23\r\nwasl:c:"
	job.set_middle = "\r\n$" .. RECORD_BYTES .. "\r\n"
	job.set_tail = "\r\n$2\r\nEX\r\n$7\r\n" .. WINDOW_S + GRACE_S .. "\r\n*8\r\n$4\r\nXADD\r\n$11\r\nwasl:clicks\r\n" ..
		"$6\r\nMAXLEN\r\n$1\r\n~\r\n$7\r\n1000000\r\n$1\r\n*\r\n$1\r\nr\r\n$" .. RECORD_BYTES .. "\r\n"
end

local function random(into, at, count)
	if pool_at + count > 4096 then
		crypto.RAND_bytes(pool, 4096)
		pool_at = 0
	end
	ffi.copy(into + at, pool + pool_at, count)
	pool_at = pool_at + count
end

-- Base 62 into six limbs of 24 bits by long multiplication, then one block. Nil: not ours.
local function open_link(text)
	if #text ~= 22 then return nil end
	ffi.fill(limbs, 6 * 8)
	for i = 1, 22 do
		local carry = digits[byte(text, i)]
		if not carry then return nil end
		for k = 5, 0, -1 do
			carry = limbs[k] * 62 + carry
			limbs[k] = carry % 16777216
			carry = (carry - limbs[k]) / 16777216
		end
	end
	for k = 0, 5 do
		local limb = limbs[k]
		block[3 * k], block[3 * k + 1], block[3 * k + 2] = bit.rshift(limb, 16), bit.band(bit.rshift(limb, 8), 255), bit.band(limb, 255)
	end
	if block[0] ~= 0 or block[1] ~= 0 then return nil end
	crypto.EVP_DecryptUpdate(link_box, plain, length, block + 2, 16)
	if plain[11] ~= 1 or plain[12] + plain[13] + plain[14] + plain[15] ~= 0 then return nil end
	local product = ((plain[4] * 256 + plain[5]) * 256 + plain[6]) * 256 + plain[7]
	local affiliate = ((plain[0] * 256 + plain[1]) * 256 + plain[2]) * 256 + plain[3]
	return affiliate, product
end

-- The click's id and its token, from the link's plaintext.
local function mint_click()
	local ms = ngx.now() * 1000
	token[0] = 0x10
	for k = 6, 1, -1 do
		token[k] = ms % 256
		ms = math.floor(ms / 256)
	end
	random(token, 7, 10)
	token[7] = bit.bor(0x70, bit.band(token[7], 15))
	token[9] = bit.bor(0x80, bit.band(token[9], 63))
	plain[11] = 0
	plain[12], plain[13], plain[14], plain[15] = 0, 0x27, 0x8d, 0
	crypto.EVP_EncryptInit_ex(click_box, nil, nil, nil, token + 1)
	crypto.EVP_EncryptUpdate(click_box, nil, length, token, 1)
	crypto.EVP_EncryptUpdate(click_box, token + 17, length, plain, 16)
	crypto.EVP_EncryptFinal_ex(click_box, token + 33, length)
	crypto.EVP_CIPHER_CTX_ctrl(click_box, GET_TAG, TAG_BYTES, token + 33)
	local text = ngx.encode_base64(ffi.string(token, 45), true)
	return ffi.string(token + 1, 16), (text:gsub("[+/]", { ["+"] = "-", ["/"] = "_" }))
end

-- One write, one read, in RESP by hand: cheaper than the client library, so the harder anchor.
local function store(id, record)
	local socket = ngx.socket.tcp()
	socket:settimeout(1000)
	if not socket:connect("127.0.0.1", job.redis_port) then return false end
	socket:send(job.set_head .. id .. job.set_middle .. record .. job.set_tail .. record .. "\r\n")
	local is_stored = socket:receive() == "+OK"
	local has_entry = socket:receive() and socket:receive()
	socket:setkeepalive(10000, 256)
	return is_stored and has_entry
end

function job.answer()
	local headers = ngx.header
	headers["Cache-Control"] = "no-store, private"
	headers["Referrer-Policy"] = "no-referrer"
	headers["X-Robots-Tag"] = "noindex, nofollow"
	headers["X-Content-Type-Options"] = "nosniff"
	local affiliate, id = open_link(ngx.var.uri:sub(2))
	local product = affiliate and job.products[id]
	if not product then return ngx.exit(404) end
	local agent = ngx.var.http_user_agent
	if job.suspended[affiliate] or (agent and ngx.re.find(agent, ROBOTS, "ijo")) then
		return ngx.redirect(product.url, 302)
	end
	local click_id, text = mint_click()
	local record = ffi.string(plain, 16) .. product.store .. (agent and "h" or "s")
	store(click_id, record)
	if not ngx.var.cookie_wasl then
		random(block, 0, 16)
		headers["Set-Cookie"] = "wasl=" .. ngx.encode_base64(ffi.string(block, 16), true) ..
			"; Max-Age=31536000; Path=/; HttpOnly; SameSite=Lax"
	end
	return ngx.redirect(product.url .. "&wasl=" .. text, 302)
end

return job
