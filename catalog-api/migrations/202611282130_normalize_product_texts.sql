-- Texts in normal form C, as the service stores and searches them: what looks the same is found by either form.
-- Nothing is announced: to a reader the texts are what they were.
update product
   set name = normalize(name, nfc), description = normalize(description, nfc)
 where name is not nfc normalized or description is not nfc normalized;
update product_type set name = normalize(name, nfc) where name is not nfc normalized;
update product_brand set name = normalize(name, nfc) where name is not nfc normalized;
